import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { InboundWatchdog, Patience } from '#replicator/pg/inbound-watchdog.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function beatsUntilDead(watchdog: InboundWatchdog, listening: boolean, most = 1000): number | null {
  for (let beat = 1; beat <= most; beat += 1) {
    if (watchdog.isDead(listening)) return beat;
  }
  return null;
}

test('a silent server is given up after one wal_sender_timeout of beats', () => {
  expect(beatsUntilDead(new InboundWatchdog(new Patience(), 60_000), true)).toBe(5);
});

test('a word at the last moment saves it', () => {
  const watchdog = new InboundWatchdog(new Patience(), 60_000);
  expect(beatsUntilDead(watchdog, true, 4)).toBeNull();
  watchdog.heard();
  expect(beatsUntilDead(watchdog, true)).toBe(5);
});

test('silence says nothing while we do not read, or when the server has no timeout', () => {
  expect(beatsUntilDead(new InboundWatchdog(new Patience(), 60_000), false)).toBeNull();
  expect(beatsUntilDead(new InboundWatchdog(new Patience(), 0), true)).toBeNull();
});

test('each loss doubles the patience, so that a huge transaction gets through; an hour resets it', () => {
  const patience = new Patience();
  const lives = [1, 2, 3, 4, 5, 6, 7].map(() =>
    beatsUntilDead(new InboundWatchdog(patience, 60_000), true),
  );
  expect(lives).toEqual([5, 9, 17, 33, 65, 65, 65]);
  vi.advanceTimersByTime(3_600_000);
  expect(beatsUntilDead(new InboundWatchdog(patience, 60_000), true)).toBe(5);
});
