import type { RegionId } from '#core/region.ts';
import { acknowledgedKept } from '#sim/check/acknowledged.ts';
import { conflictCoverage } from '#sim/check/conflict-log.ts';
import { faultIntervals } from '#sim/check/fault-intervals.ts';
import type { FaultInterval } from '#sim/check/fault-intervals.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { Truth } from '#sim/check/truth.ts';
import type { Copies } from '#sim/metrics/copies.ts';
import { distributionOf } from '#sim/metrics/distribution.ts';
import type { Distribution } from '#sim/metrics/distribution.ts';

/** Acknowledged writes, by what became of them (simulation.md, 5.2). */
export interface RecoveryPoint {
  readonly acknowledged: number;
  /** In no surviving region, nor in any log that can be read, at the end. */
  readonly lost: number;
  /** Age of the oldest lost write when its region was lost. */
  readonly lostAgeUs: number;
  readonly stranded: Stranded;
  /** Open conflicts: writes that are known everywhere and outdone by a concurrent one. */
  readonly superseded: number;
  readonly recorded: number;
  /** Clients that never learned, and how many of those writes were committed after all. */
  readonly unknown: number;
  readonly unknownCommitted: number;
  /** Age of the oldest acknowledged write that only its own region has, sampled through the run. */
  readonly exposure: Distribution | null;
  readonly exposureCurve: readonly ExposureSample[];
}

export interface ExposureSample {
  readonly atUs: number;
  readonly region: RegionId;
  readonly ageUs: number;
}

/** Writes that a failing region had to itself when it failed. */
export interface Stranded {
  readonly count: number;
  readonly oldestUs: number;
  /** Until the last of them was safe elsewhere, from the end of the fault; null: not all came back. */
  readonly backUs: number | null;
}

interface Acknowledged {
  readonly atUs: number;
  readonly region: RegionId;
  readonly dot: string | null;
}

const SAMPLE_US = 100_000;

export function recoveryPoint(truth: Truth, copies: Copies): RecoveryPoint {
  const acknowledged = acknowledgedWrites(truth);
  const faults = faultIntervals(truth.events, truth.frame.endUs);
  const conflicts = conflictCoverage(truth);
  const lost = lostWrites(truth, copies, acknowledged);
  const unknown = truth.operations.filter(
    ({ invoke, complete }) =>
      invoke.action.endsWith('write') && (complete === null || complete.kind === 'info'),
  );
  const committed = new Set(truth.userCommits().map(({ commit }) => commit.op));
  const exposureCurve = exposure(truth, copies, acknowledged);
  return {
    acknowledged: acknowledged.length,
    lost: lost.length + violations(truth),
    lostAgeUs: lostAge(lost, faults),
    stranded: strandedWrites(truth, copies, acknowledged, faults),
    superseded: conflicts.open,
    recorded: conflicts.recorded,
    unknown: unknown.length,
    unknownCommitted: unknown.filter(({ invoke }) => committed.has(invoke.op)).length,
    exposure: distributionOf(exposureCurve.map(({ ageUs }) => ageUs)),
    exposureCurve,
  };
}

export function acknowledgedWrites(truth: Truth): readonly Acknowledged[] {
  const commits = new Map(truth.userCommits().map(({ commit }) => [commit.op, commit]));
  return truth.operations.flatMap(({ invoke, complete }) => {
    if (complete?.kind !== 'ok' || complete.commitLsn === null) return [];
    const commit = commits.get(invoke.op);
    // An UPDATE to the values that were there is no news to anybody.
    if (commit !== undefined && specOps(commit.changes, truth.tables).length === 0) return [];
    const dot = commit === undefined ? undefined : truth.dotOf(commit);
    return [{ atUs: complete.atUs, region: invoke.region, dot: dot ?? null }];
  });
}

/** Writes of regions that were lost for ever, which no survivor has. */
function lostWrites(
  truth: Truth,
  copies: Copies,
  acknowledged: readonly Acknowledged[],
): readonly Acknowledged[] {
  return acknowledged.filter(
    ({ region, dot }) =>
      truth.frame.lostRegions.includes(region) && (dot === null || !copies.safeUs.has(dot)),
  );
}

/** What A3 demands and does not find is lost as well. */
function violations(truth: Truth): number {
  const { valid, judged } = acknowledgedKept(truth);
  if (valid !== false) return 0;
  return Number(/(\d+) wrong/.exec(judged)?.[1] ?? 1);
}

function lostAge(lost: readonly Acknowledged[], faults: readonly FaultInterval[]): number {
  const ages = lost.map(({ region, atUs }) => {
    const fault = faults.find(
      ({ name, targets }) => name === 'lose-region' && targets.includes(region),
    );
    return fault === undefined ? 0 : Math.max(0, fault.fromUs - atUs);
  });
  return Math.max(0, ...ages);
}

/** Faults that keep a region's writes from every other region. */
function strands(fault: FaultInterval, region: RegionId): boolean {
  return fault.targets.some(
    (target) =>
      target === region ||
      target === `${region}.pg` ||
      target === `${region}.repl` ||
      target === `${region}.log`,
  );
}

function isolates(fault: FaultInterval, region: RegionId, regions: readonly RegionId[]): boolean {
  const cut = new Set(fault.targets);
  return regions.every((other) => other === region || cut.has(`${region}>${other}`));
}

function strandedWrites(
  truth: Truth,
  copies: Copies,
  acknowledged: readonly Acknowledged[],
  faults: readonly FaultInterval[],
): Stranded {
  const { regions, healUs } = truth.frame;
  let oldestUs = 0;
  let backUs: number | null = 0;
  const counted = new Set<string>();
  for (const { atUs, region, dot } of acknowledged) {
    const safe = dot === null ? undefined : copies.safeUs.get(dot);
    for (const fault of faults) {
      if (!strands(fault, region) && !isolates(fault, region, regions)) continue;
      // Before the fault, and nowhere else when it began: stranded by it.
      if (atUs > fault.fromUs || (safe !== undefined && safe <= fault.fromUs)) continue;
      counted.add(dot ?? `${region} ${atUs}`);
      oldestUs = Math.max(oldestUs, fault.fromUs - atUs);
      const back: number | null =
        safe === undefined ? null : Math.max(0, safe - Math.min(fault.toUs, healUs));
      backUs = back === null || backUs === null ? null : Math.max(backUs, back);
    }
  }
  return { count: counted.size, oldestUs, backUs };
}

/** The age, at every instant, of the oldest acknowledged write that only its own region has. */
function exposure(
  truth: Truth,
  copies: Copies,
  acknowledged: readonly Acknowledged[],
): readonly ExposureSample[] {
  const samples: ExposureSample[] = [];
  const endUs = Math.max(truth.frame.healUs, ...acknowledged.map(({ atUs }) => atUs));
  for (const region of truth.frame.regions) {
    const own = acknowledged
      .filter((write) => write.region === region)
      .map(({ atUs, dot }) => ({
        atUs,
        safeUs: (dot === null ? undefined : copies.safeUs.get(dot)) ?? Number.POSITIVE_INFINITY,
      }))
      .toSorted((l, r) => l.atUs - r.atUs);
    let from = 0;
    for (let atUs = SAMPLE_US; atUs <= endUs; atUs += SAMPLE_US) {
      while ((own[from]?.safeUs ?? Number.POSITIVE_INFINITY) <= atUs) from += 1;
      const oldest = own[from];
      const ageUs = oldest === undefined || oldest.atUs > atUs ? 0 : atUs - oldest.atUs;
      samples.push({ atUs, region, ageUs });
    }
  }
  return samples;
}
