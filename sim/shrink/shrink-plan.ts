import type { RunPlan } from '#sim/run/plan.ts';
import type { PlannedFault } from '#sim/scenario/scenario.ts';
import { minimised } from '#sim/shrink/minimised.ts';

export interface Shrinking {
  readonly plan: RunPlan;
  /** A smaller run counts only if it fails in the same way. */
  readonly signature: string;
  /** Signatures of everything that is wrong with a run. */
  readonly play: (plan: RunPlan) => Promise<readonly string[]>;
  readonly goOn: () => boolean;
  readonly told: (text: string) => void;
}

const RUNS_MAX = 300;

/**
 * The smallest run that fails the same way: fewer faults, then fewer clients, then fewer operations, then
 * nothing behind the failure, then simpler links. Every candidate is a whole run.
 */
export async function shrinkPlan({
  plan,
  signature,
  play,
  goOn,
  told,
}: Shrinking): Promise<{ readonly smallest: RunPlan; readonly tried: number }> {
  let smallest = plan;
  let tried = 0;
  const fails = async (candidate: RunPlan): Promise<boolean> => {
    if (tried >= RUNS_MAX || !goOn()) return false;
    tried += 1;
    if (!(await play(candidate)).includes(signature)) return false;
    smallest = candidate;
    return true;
  };
  const faults = (list: readonly PlannedFault[]): Promise<boolean> =>
    fails({ ...smallest, faults: list });
  await minimised(smallest.faults, faults);
  told(`${smallest.faults.length} faults`);
  const clients = [...new Set(smallest.operations.map(({ client }) => client))];
  await minimised(clients, (kept) => {
    const operations = smallest.operations.filter(
      ({ client }) => client === 'setup' || kept.includes(client),
    );
    return fails({ ...smallest, operations });
  });
  told(`${smallest.operations.length} operations of fewer clients`);
  await cutTail(() => smallest, fails);
  await minimised(smallest.operations, (operations) => fails({ ...smallest, operations }));
  told(`${smallest.operations.length} operations`);
  await minimised(smallest.faults, faults);
  for (const simpler of simplerPlans(smallest)) await fails(simpler);
  return { smallest, tried };
}

/** Half of the time that is left behind the last operation, again and again. */
async function cutTail(
  now: () => RunPlan,
  fails: (plan: RunPlan) => Promise<boolean>,
): Promise<void> {
  for (let share = 0.5; share > 0.05; share /= 2) {
    const { operations } = now();
    const last = operations.at(-1)?.atUs ?? 0;
    const kept = operations.filter(({ atUs }) => atUs <= last * (1 - share));
    if (kept.length > 0 && kept.length < operations.length)
      await fails({ ...now(), operations: kept });
  }
}

function simplerPlans(plan: RunPlan): readonly RunPlan[] {
  const { scenario } = plan;
  const latency = scenario.latency.map((link) => ({ ...link, ms: 10, jitterMs: 0 }));
  const lastUs = plan.operations.at(-1)?.atUs ?? 0;
  const loadMs = Math.max(1_000, Math.ceil(lastUs / 1_000) + 1_000);
  const halved = plan.faults.map((fault) =>
    fault.forMs === null ? fault : { ...fault, forMs: Math.max(1, Math.round(fault.forMs / 2)) },
  );
  return [
    { ...plan, scenario: { ...scenario, latency } },
    { ...plan, scenario: { ...scenario, loadMs, healMs: Math.min(scenario.healMs, loadMs) } },
    { ...plan, faults: halved },
  ];
}
