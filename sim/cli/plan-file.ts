import { EverywriteError } from '#core/errors.ts';
import { readFile } from '#sim/cli/load-scenario.ts';
import type { RunPlan } from '#sim/run/plan.ts';

/** A run that was written down: by `sim run` or `sim swarm` when it failed, or by `sim shrink`. */
export function readPlan(path: string): RunPlan {
  let plan: unknown;
  try {
    plan = JSON.parse(readFile(path));
  } catch (cause) {
    if (cause instanceof EverywriteError) throw cause;
    throw wrong(path, 'it is not JSON', cause);
  }
  if (typeof plan !== 'object' || plan === null || !('format' in plan))
    throw wrong(path, 'it has no format; sim run writes such a file when a run fails');
  if (plan.format !== 1) throw wrong(path, `format ${String(plan.format)} is not 1`);
  for (const key of ['seed', 'scenario', 'operations', 'faults'])
    if (!(key in plan)) throw wrong(path, `${key} is missing`);
  return plan as unknown as RunPlan;
}

function wrong(path: string, why: string, cause?: unknown): EverywriteError {
  const message = `${path} is no run that can be replayed: ${why}.`;
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message, cause });
}
