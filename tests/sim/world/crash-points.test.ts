import { expect, test } from 'vitest';
import { armCrash, countPortCalls, CRASH_STAGES } from '#sim/world/crash-point.ts';
import type { CrashPoint } from '#sim/world/crash-point.ts';
import {
  expectSame,
  SECOND,
  settle,
  threeRegions,
  writeEverywhere,
} from '#tests/sim/world-fixture.ts';
import type { SimWorld } from '#sim/world/sim-world.ts';

const POINTS = 12;

/** A short universe in which every region writes. */
async function play(world: SimWorld): Promise<void> {
  await world.start();
  writeEverywhere(world, 80, world.nowUs() + 2 * SECOND, 6);
  await world.runUntil(world.nowUs() + 2 * SECOND);
}

test('a replicator may die at any of its calls, on either side of it', async () => {
  const calm = threeRegions({ seed: 11 });
  const counts = countPortCalls(calm.kernel);
  await play(calm);
  const calls = counts.get('eu.repl') ?? 0;
  expect(calls).toBeGreaterThan(100);
  for (let at = 0; at < POINTS; at++) {
    const number = 1 + Math.floor((at * calls) / POINTS);
    const stage = CRASH_STAGES[at % CRASH_STAGES.length] ?? 'before';
    const point: CrashPoint = { process: 'eu.repl', number, stage };
    const world = threeRegions({ seed: 11 });
    const { crashed } = armCrash(world.kernel, point);
    await play(world);
    expect(await settle(world, 60), JSON.stringify(point)).toBeNull();
    expect(crashed(), JSON.stringify(point)).toBe(true);
    expectSame(world);
  }
});
