import type { RegionId } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { judge } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { StandingCommit, Truth } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';
import { visibleAt, walk } from '#sim/check/walk.ts';

/** A3. What a client was told is committed is in every region at the end. */
export function acknowledgedKept(truth: Truth): Verdict {
  const finals = finalVectors(truth);
  const commits = new Map(truth.userCommits().map((standing) => [standing.commit.op, standing]));
  const witnesses: Witness[] = [];
  let acknowledged = 0;
  for (const { invoke, complete } of truth.operations) {
    if (complete?.kind !== 'ok' || complete.commitLsn === null) continue;
    const standing = commits.get(invoke.op);
    if (standing !== undefined && specOps(standing.commit.changes, truth.tables).length === 0)
      continue;
    acknowledged += 1;
    const missing = missingIn(truth, finals, standing, invoke.region);
    if (missing.length === 0) continue;
    witnesses.push({
      atUs: complete.atUs,
      signature: 'an acknowledged write is lost',
      text: `${invoke.what} was acknowledged to ${invoke.client} in ${invoke.region}, but is not in ${missing.join(', ')}`,
      about: [invoke.region, standing === undefined ? '' : (truth.dotOf(standing.commit) ?? '')],
    });
  }
  return judge(acknowledged, 'acknowledged writes', witnesses);
}

function missingIn(
  truth: Truth,
  finals: ReadonlyMap<RegionId, VersionVector>,
  standing: StandingCommit | undefined,
  origin: RegionId,
): readonly RegionId[] {
  const regions = truth.surviving();
  if (standing === undefined) return regions;
  const dot = truth.dotOf(standing.commit);
  const header = dot === undefined ? undefined : truth.logged.get(dot);
  if (header === undefined) {
    // Never logged: if its own region was lost for ever, it is counted as lost there, not demanded here.
    if (truth.frame.lostRegions.includes(origin)) return [];
    return regions.filter((region) => region !== origin || standing.lostUs !== null);
  }
  const missing = regions.filter(
    (region) =>
      sequenceOf(finals.get(region) ?? new Map(), header.replica) < header.sequence &&
      !(region === origin && standing.lostUs === null),
  );
  // Of a region that is lost for ever, nothing or all must be known: the same prefix everywhere is A26.
  return truth.frame.lostRegions.includes(origin) && missing.length === regions.length
    ? []
    : missing;
}

/** Everything that each region's rows reflect at the end. */
export function finalVectors(truth: Truth): ReadonlyMap<RegionId, VersionVector> {
  const finals = new Map<RegionId, VersionVector>();
  walk(truth, (moment) => finals.set(moment.region, visibleAt(moment)));
  return finals;
}

/** A4. Nothing comes from nowhere: what is logged was committed, as it was committed; what failed stays failed. */
export function noWriteFromNowhere(truth: Truth): Verdict {
  const witnesses: Witness[] = [];
  const committed = new Map<number, StandingCommit>();
  for (const standing of truth.userCommits()) {
    if (standing.commit.op !== null) committed.set(standing.commit.op, standing);
  }
  for (const { invoke, complete } of truth.operations) {
    if (complete?.kind !== 'fail' || !committed.has(invoke.op)) continue;
    witnesses.push({
      atUs: complete.atUs,
      signature: 'a failed write is committed',
      text: `${invoke.what} failed (${complete.error ?? 'no reason'}) for ${invoke.client}, yet it was committed`,
      about: [invoke.region],
    });
  }
  for (const [dot, header] of truth.logged) {
    const transaction = truth.transactions.get(dot);
    const expected = transaction?.ops.length ?? 0;
    if (transaction !== undefined && (expected > 0 || header.ops.length === 0)) continue;
    witnesses.push({
      atUs: 0,
      signature:
        transaction === undefined ? 'logged, never committed' : 'logged more than was done',
      text: `${dotName(header.replica, header.sequence)} is in the log, but ${transaction === undefined ? 'no commit made it' : 'its commit changed nothing'}`,
      about: [header.region, dot],
    });
  }
  return judge(truth.logged.size, 'logged transactions', witnesses);
}
