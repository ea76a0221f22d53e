import type { RegionId } from '#core/region.ts';
import { parseVector } from '#core/version-vector.ts';
import type { Truth } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';

/** Where and when each transaction arrived: in another region's log, and in each region's tables. */
export interface Copies {
  /** By dot: true time at which a log of another region first held all of it. */
  readonly safeUs: ReadonlyMap<string, number>;
  /** By `region dot`: true time at which it became visible there. */
  readonly visibleUs: ReadonlyMap<string, number>;
}

export function copiesOf(truth: Truth): Copies {
  const safeUs = new Map<string, number>();
  const visibleUs = new Map<string, number>();
  const reached = new Map<string, number>();
  for (const event of truth.events) {
    if (event.kind === 'logged' && !event.replica.startsWith(`${event.region}.`)) {
      for (const tx of event.transactions) {
        const dot = dotName(tx.replica, tx.sequence);
        // Of a large transaction the last piece counts: it overwrites the earlier ones.
        if (event.part > 0 || !safeUs.has(dot)) safeUs.set(dot, event.atUs);
      }
    }
    if (event.kind !== 'commit' || event.vector === null) continue;
    for (const [replica, sequence] of parseVector(event.vector)) {
      const name = `${event.region} ${replica}`;
      for (let next = (reached.get(name) ?? 0) + 1; next <= sequence; next += 1)
        visibleUs.set(arrival(event.region, dotName(replica, next)), event.atUs);
      reached.set(name, Math.max(reached.get(name) ?? 0, sequence));
    }
  }
  return { safeUs, visibleUs };
}

export function arrival(region: RegionId, dot: string): string {
  return `${region} ${dot}`;
}
