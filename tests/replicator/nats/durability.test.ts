import { expect, test } from 'vitest';
import { DEFAULT_SYNC_INTERVAL_MS, trailMs } from '#replicator/nats/durability.ts';

test('only a server that knows `sync_interval: always` makes the trail 0', () => {
  expect(trailMs({ serverVersion: '2.10.0', syncAlways: true })).toBe(0);
  expect(trailMs({ serverVersion: '2.15.0-dev', syncAlways: true })).toBe(0);
  expect(trailMs({ serverVersion: '3.0.1', syncAlways: true })).toBe(0);
  expect(trailMs({ serverVersion: '2.9.10', syncAlways: true })).toBeGreaterThan(0);
  expect(trailMs({ serverVersion: 'unknown', syncAlways: true })).toBeGreaterThan(0);
});

test('else it is at least the sync interval, two minutes if nobody says otherwise', () => {
  const server = { serverVersion: '2.12.1', syncAlways: false };
  expect(trailMs(server)).toBeGreaterThanOrEqual(DEFAULT_SYNC_INTERVAL_MS);
  const shorter = trailMs({ ...server, syncIntervalMs: 1_000 });
  expect(shorter).toBeGreaterThanOrEqual(1_000);
  expect(shorter).toBeLessThan(DEFAULT_SYNC_INTERVAL_MS);
});
