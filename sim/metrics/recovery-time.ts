import type { RegionId } from '#core/region.ts';
import { faultIntervals } from '#sim/check/fault-intervals.ts';
import type { FaultInterval } from '#sim/check/fault-intervals.ts';
import type { ClientOperation, Truth } from '#sim/check/truth.ts';
import { distributionOf } from '#sim/metrics/distribution.ts';
import type { Distribution } from '#sim/metrics/distribution.ts';

/** Recovery time as clients measure it (simulation.md, 5.2), of one class of operations. */
export interface RecoveryTime {
  readonly action: 'write' | 'read';
  /** Whose clients: those of the regions that a fault took away. */
  readonly regions: readonly RegionId[];
  readonly total: Distribution | null;
  /** Until the first failure is noticed, until the next operation goes elsewhere, until one succeeds. */
  readonly detect: Distribution | null;
  readonly redirect: Distribution | null;
  readonly firstSuccess: Distribution | null;
  /** Clients that had not recovered when the run ended. */
  readonly never: number;
}

/** A client is well again with the first of this many successes in a row, each within the limit. */
const SUCCESSES = 3;
const WITHIN_US = 1_000_000;

interface Outage {
  readonly totalUs: number;
  readonly detectUs: number | null;
  readonly redirectUs: number | null;
  readonly firstSuccessUs: number;
}

export function recoveryTimes(truth: Truth): readonly RecoveryTime[] {
  const faults = faultIntervals(truth.events, truth.frame.endUs);
  const outages = faults.flatMap((fault) =>
    truth.frame.regions
      .filter((region) => takesAway(fault, region))
      .map((region) => ({ fault, region })),
  );
  return (['write', 'read'] as const).map((action) => {
    const found: Outage[] = [];
    let never = 0;
    for (const { fault, region } of outages) {
      for (const operations of byClient(truth, region, `probe-${action}`)) {
        const outage = outageOf(operations, fault.fromUs, region);
        if (outage === 'never') never += 1;
        else if (outage !== null) found.push(outage);
      }
    }
    const sample = (pick: (outage: Outage) => number | null): Distribution | null =>
      distributionOf(found.map(pick).filter((us) => us !== null));
    return {
      action,
      regions: [...new Set(outages.map(({ region }) => region))],
      total: sample(({ totalUs }) => totalUs),
      detect: sample(({ detectUs }) => detectUs),
      redirect: sample(({ redirectUs }) => redirectUs),
      firstSuccess: sample(({ firstSuccessUs }) => firstSuccessUs),
      never,
    };
  });
}

/** Faults after which a region's database does not answer its clients. */
function takesAway({ name, targets }: FaultInterval, region: RegionId): boolean {
  if (['clock.jump', 'clock.drift', 'double', 'pg.slow-io'].includes(name)) return false;
  return targets.some((target) => target === region || target === `${region}.pg`);
}

function byClient(
  truth: Truth,
  home: RegionId,
  action: string,
): readonly (readonly ClientOperation[])[] {
  const clients = Map.groupBy(
    truth.operations.filter(({ invoke }) => invoke.home === home && invoke.action === action),
    ({ invoke }) => invoke.client,
  );
  return [...clients.values()];
}

/** Null: nothing failed. */
function outageOf(
  operations: readonly ClientOperation[],
  faultUs: number,
  home: RegionId,
): Outage | 'never' | null {
  // What was under way when the fault fell counts: it may be the first to fail.
  const after = operations.filter(
    ({ invoke, complete }) =>
      (complete?.atUs ?? Number.POSITIVE_INFINITY) >= faultUs || invoke.atUs >= faultUs,
  );
  if (after.slice(0, SUCCESSES * 2).every(succeeded)) return null;
  const begin = after.findIndex((operation) => !succeeded(operation));
  // Only a success after the failure ends the outage.
  const end = after.findIndex(
    (_, at) =>
      at > begin &&
      at + SUCCESSES <= after.length &&
      after.slice(at, at + SUCCESSES).every(succeeded),
  );
  const [firstFailure, recovered] = [after[begin], after[end]];
  if (firstFailure === undefined || recovered === undefined) return 'never';
  const noticedUs = firstFailure.complete?.atUs ?? null;
  const elsewhere = after.find(({ invoke }) => invoke.region !== home && invoke.atUs >= faultUs);
  const redirectedUs = elsewhere?.invoke.atUs ?? null;
  return {
    totalUs: Math.max(0, recovered.invoke.scheduledUs - faultUs),
    detectUs: noticedUs === null ? null : Math.max(0, noticedUs - faultUs),
    redirectUs:
      noticedUs === null || redirectedUs === null ? null : Math.max(0, redirectedUs - noticedUs),
    firstSuccessUs: (recovered.complete?.atUs ?? recovered.invoke.atUs) - recovered.invoke.atUs,
  };
}

function succeeded({ invoke, complete }: ClientOperation): boolean {
  return complete?.kind === 'ok' && complete.atUs - invoke.scheduledUs <= WITHIN_US;
}
