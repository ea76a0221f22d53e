import type { RegionId } from '#core/region.ts';
import type { Truth } from '#sim/check/truth.ts';
import type { HistoryEvent } from '#sim/history/event.ts';

/** A fault, from its begin to its end (or the end of the run). */
export interface FaultInterval {
  readonly id: number;
  readonly name: string;
  readonly what: string;
  readonly targets: readonly string[];
  readonly fromUs: number;
  readonly toUs: number;
}

export function faultIntervals(
  events: readonly HistoryEvent[],
  endUs: number,
): readonly FaultInterval[] {
  const open = new Map<number, FaultInterval>();
  for (const event of events) {
    if (event.kind !== 'fault') continue;
    const known = open.get(event.id);
    if (event.phase === 'begin') {
      const { id, name, what, targets, atUs } = event;
      open.set(id, { id, name, what, targets, fromUs: atUs, toUs: endUs });
    } else if (known !== undefined) open.set(event.id, { ...known, toUs: event.atUs });
  }
  return [...open.values()].toSorted((l, r) => l.fromUs - r.fromUs || l.id - r.id);
}

/** A server that was hit is given this long to be itself again. */
const AFTERMATH_US = 5_000_000;

/** Whether a fault that `concerns` the region was at work at any time between. */
export function isFor(
  truth: Truth,
  concerns: (target: string, region: RegionId) => boolean,
): (region: RegionId, fromUs: number, toUs: number) => boolean {
  const faults = faultIntervals(truth.events, truth.frame.endUs);
  return (region, fromUs, toUs) =>
    faults.some(
      (fault) =>
        fault.fromUs <= toUs &&
        fault.toUs + AFTERMATH_US >= fromUs &&
        fault.targets.some((target) => concerns(target, region)),
    );
}
