import { expect, test } from 'vitest';
import type { HistoryEvent } from '#sim/history/event.ts';
import {
  EU,
  expectSame,
  SECOND,
  settle,
  threeRegions,
  writeEverywhere,
} from '#tests/sim/world-fixture.ts';

test('three regions that write to the same rows hold the same rows', async () => {
  const events: HistoryEvent[] = [];
  const world = threeRegions({ events });
  await world.start();
  writeEverywhere(world, 100, 20 * SECOND);
  await world.runUntil(20 * SECOND);
  expect(await settle(world)).toBeNull();
  expectSame(world);
  const commits = events.filter((event) => event.kind === 'commit' && event.by === 'user');
  expect(commits.length).toBeGreaterThan(300);
  expect(world.dump(EU).conflicts.length).toBeGreaterThan(0);
});

test('the same seed gives the same run to the last event', async () => {
  const hashes = [];
  for (const seed of [5, 5, 6]) {
    const world = threeRegions({ seed });
    await world.start();
    writeEverywhere(world, 50, 5 * SECOND);
    await world.runUntil(8 * SECOND);
    expect(world.findings).toEqual([]);
    hashes.push(world.traceHash());
  }
  expect(hashes[0]).toBe(hashes[1]);
  expect(hashes[0]).not.toBe(hashes[2]);
});
