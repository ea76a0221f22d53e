import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { judgeRun } from '#sim/run/judge-run.ts';
import { planRun } from '#sim/run/plan.ts';
import type { RunPlan } from '#sim/run/plan.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { runPlan } from '#sim/run/run-plan.ts';
import { decodeScenario } from '#sim/scenario/read-scenario.ts';
import { armCrash, countPortCalls, CRASH_STAGES } from '#sim/world/crash-point.ts';
import type { CrashPoint } from '#sim/world/crash-point.ts';
import { createWorld } from '#sim/world/sim-world.ts';

/** A few seconds with a little of everything: every port is used, and a run is short. */
const SHORT = {
  name: 'sweep',
  about: 'one crash at one port call',
  topology: { regions: ['eu', 'us'], latency: '20ms', sync_interval: '200ms' },
  workload: [
    { use: 'shop', rate: '6/s', clients: 2, keys: 5 },
    { use: 'churn', rate: '3/s', clients: 1, keys: 3 },
  ],
  faults: [{ at: '2s', do: 'isolate', target: 'us', for: '1s' }],
  heal: { at: '4s' },
  load: { until: '4s' },
  expect: { at_least: { writes: 10 } },
};

export interface SweepOptions {
  readonly seed: number;
  /** Only so many points, evenly spread; null: all. */
  readonly sample: number | null;
  readonly goOn: () => boolean;
  readonly told: (total: number) => void;
}

export interface Swept {
  readonly point: CrashPoint;
  readonly judged: JudgedRun;
  /** Whether the run came by: an earlier crash can change what follows, this is the only one. */
  readonly crashed: boolean;
}

/** A crash at every port call of every process: before it, after its effect, after its reply. */
export async function sweep({
  seed,
  sample,
  goOn,
  told,
}: SweepOptions): Promise<{ readonly points: number; readonly swept: readonly Swept[] }> {
  const scenario = decodeScenario(SHORT, SHORT.name, () => '');
  const plan = planRun(scenario, seed, new SeededStreams(seed));
  const points = await crashPoints(plan);
  const step = sample === null ? 1 : Math.max(1, points.length / Math.max(1, sample));
  const swept: Swept[] = [];
  const total = Math.floor(points.length / step);
  for (let at = 0; at < total && goOn(); at += 1) {
    const point = points[Math.floor(at * step)];
    if (point === undefined) break;
    swept.push(await crashAt(plan, point));
    told(total);
  }
  return { points: points.length, swept };
}

async function crashPoints(plan: RunPlan): Promise<readonly CrashPoint[]> {
  let counts: ReadonlyMap<string, number> = new Map();
  await runPlan(plan, (options) => {
    const world = createWorld(options);
    counts = countPortCalls(world.kernel);
    return world;
  });
  return [...counts].flatMap(([process, calls]) =>
    Array.from({ length: calls }, (_, at) =>
      CRASH_STAGES.map((stage) => ({ process, number: at + 1, stage })),
    ).flat(),
  );
}

async function crashAt(plan: RunPlan, point: CrashPoint): Promise<Swept> {
  let crashed = (): boolean => false;
  const run = await runPlan(plan, (options) => {
    const world = createWorld(options);
    ({ crashed } = armCrash(world.kernel, point));
    return world;
  });
  return { point, judged: judgeRun(run, { kind: 'no' }), crashed: crashed() };
}
