import type { RegionId } from '#core/region.ts';
import { covers, parseVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { Truth } from '#sim/check/truth.ts';

/**
 * When every surviving region held everything that had been committed anywhere by the heal (a moving
 * target is not demanded: what is written later counts for later); null if never.
 */
export function convergedUs(truth: Truth): number | null {
  const { healUs } = truth.frame;
  const goal = new Map<string, number>();
  const surviving = new Set(truth.surviving());
  for (const { commit, lostUs } of truth.userCommits()) {
    if (commit.atUs > healUs || lostUs !== null || !surviving.has(commit.region)) continue;
    const dot = truth.dotOf(commit);
    const header = dot === undefined ? undefined : truth.logged.get(dot);
    if (header !== undefined)
      goal.set(header.replica, Math.max(goal.get(header.replica) ?? 0, header.sequence));
    else if (specOps(commit.changes, truth.tables).length > 0) return null;
  }
  return allHold(truth, goal as unknown as VersionVector, surviving);
}

function allHold(
  truth: Truth,
  goal: VersionVector,
  surviving: ReadonlySet<RegionId>,
): number | null {
  const missing = new Set(surviving);
  let at = truth.frame.healUs;
  for (const event of truth.events) {
    if (event.kind !== 'commit' || event.vector === null || !missing.has(event.region)) continue;
    const others = new Map(
      [...goal].filter(([replica]) => !replica.startsWith(`${event.region}.`)),
    );
    if (!covers(parseVector(event.vector), others)) continue;
    missing.delete(event.region);
    at = Math.max(at, event.atUs);
  }
  // A region to which nobody else wrote has nothing to apply.
  for (const region of missing) {
    const foreign = [...goal.keys()].filter((replica) => !replica.startsWith(`${region}.`));
    if (foreign.every((replica) => sequenceOf(goal, replica) === 0)) missing.delete(region);
  }
  return missing.size === 0 ? at : null;
}
