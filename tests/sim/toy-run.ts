import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { decodeScenario } from '#sim/scenario/read-scenario.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';
import { planRun } from '#sim/run/plan.ts';
import { runPlan } from '#sim/run/run-plan.ts';
import type { FinishedRun } from '#sim/run/run-plan.ts';
import { ToyWorld } from '#tests/sim/toy-world.ts';
import type { ToyBug } from '#tests/sim/toy-world.ts';

/** Ten busy seconds in three regions, one of them cut off for a while. */
export const TOY_DOCUMENT = {
  name: 'toy',
  topology: { regions: ['eu', 'us', 'ap'], latency: '40ms' },
  workload: [
    { use: 'shop', rate: '20/s', keys: 10 },
    { use: 'counter', rate: '5/s' },
    { use: 'probe', hz: 10, clients: 2 },
  ],
  faults: [{ at: '3s', do: 'isolate', target: 'us', for: '3s' }] as readonly unknown[],
  heal: { at: '8s' },
  expect: { converge: { within: '5s' }, except: { A16: 'the toy records no conflicts' } },
};

export function toyScenario(changes: Readonly<Record<string, unknown>> = {}): Scenario {
  return decodeScenario({ ...TOY_DOCUMENT, ...changes }, 'toy', () => '');
}

export async function toyRun(
  seed: number,
  bug: ToyBug = 'none',
  changes: Readonly<Record<string, unknown>> = {},
): Promise<FinishedRun> {
  const plan = planRun(toyScenario(changes), seed, new SeededStreams(seed));
  return runPlan(plan, (options) => new ToyWorld(options, bug));
}
