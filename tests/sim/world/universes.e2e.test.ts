import { expect, test } from 'vitest';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { drawUniverse } from '#sim/mutants/universe.ts';
import { planRun } from '#sim/run/plan.ts';
import { runPlan } from '#sim/run/run-plan.ts';
import type { FinishedRun } from '#sim/run/run-plan.ts';
import { createWorld } from '#sim/world/sim-world.ts';

const SEEDS = [2, 9, 14];

function play(seed: number): Promise<FinishedRun> {
  return runPlan(planRun(drawUniverse(seed), seed, new SeededStreams(seed)), createWorld);
}

test('a universe with faults is the same universe when it is played again, whatever ran in between', async () => {
  const first = new Map<number, string>();
  for (const seed of SEEDS) first.set(seed, (await play(seed)).traceHash);
  for (const seed of SEEDS.toReversed()) {
    const { traceHash, findings, pending } = await play(seed);
    expect(findings).toEqual([]);
    expect(pending).toBeNull();
    expect(traceHash).toBe(first.get(seed));
  }
  expect(new Set(first.values()).size).toBe(SEEDS.length);
});
