import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
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
  // Some calls are never answered, or not by then.
  const reached: CrashPoint[] = [];
  calm.kernel.onPortCall(({ name }, { number, stage }) => {
    if (name === 'eu.repl') reached.push({ process: name, number, stage });
  });
  await play(calm);
  expect(counts.get('eu.repl') ?? 0).toBeGreaterThan(100);
  for (let at = 0; at < POINTS; at++) {
    const wanted = CRASH_STAGES[at % CRASH_STAGES.length] ?? 'before';
    const from = Math.floor((at * reached.length) / POINTS);
    const point = must(
      reached.slice(from).find(({ stage }) => stage === wanted),
      'a place to die',
    );
    const world = threeRegions({ seed: 11 });
    const { crashed } = armCrash(world.kernel, point);
    await play(world);
    expect(await settle(world, 60), JSON.stringify(point)).toBeNull();
    expect(crashed(), JSON.stringify(point)).toBe(true);
    expectSame(world);
  }
});
