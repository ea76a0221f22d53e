import { SeededStreams } from '#sim/kernel/random-streams.ts';
import type { RunFrame } from '#sim/check/truth.ts';
import { judgeRun } from '#sim/run/judge-run.ts';
import { planRun } from '#sim/run/plan.ts';
import type { RunPlan } from '#sim/run/plan.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { runPlan } from '#sim/run/run-plan.ts';
import type { FinishedRun, MakeWorld } from '#sim/run/run-plan.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';
import { createWorld } from '#sim/world/sim-world.ts';

/** A scenario under a seed, run and judged; `twice`: also whether it is the same run again. */
export async function playScenario(
  scenario: Scenario,
  seed: number,
  twice = false,
  makeWorld: MakeWorld = createWorld,
): Promise<JudgedRun> {
  return playPlan(planRun(scenario, seed, new SeededStreams(seed)), twice, makeWorld);
}

export async function playPlan(
  plan: RunPlan,
  twice = false,
  makeWorld: MakeWorld = createWorld,
): Promise<JudgedRun> {
  const first = await runPlan(plan, makeWorld);
  if (!twice) return judgeRun(first, { kind: 'no' });
  return judgeRun(first, comparison(first, await runPlan(plan, makeWorld)));
}

function comparison(first: FinishedRun, second: FinishedRun): RunFrame['repeated'] {
  const same = first.traceHash === second.traceHash && first.eventCount === second.eventCount;
  if (same) return { kind: 'same', text: `the same ${first.eventCount} events twice` };
  const [left, right] = [first.truth.events, second.truth.events];
  const at = left.findIndex((event, index) => {
    return JSON.stringify(event) !== JSON.stringify(right[index]);
  });
  if (at < 0) {
    const text = `traces ${first.traceHash} and ${second.traceHash} differ, the histories do not`;
    return { kind: 'different', text };
  }
  const shown = (event: unknown): string => JSON.stringify(event ?? 'the end').slice(0, 200);
  const text = `first different at event ${at}: ${shown(left[at])} and ${shown(right[at])}`;
  return { kind: 'different', text };
}
