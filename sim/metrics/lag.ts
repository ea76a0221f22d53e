import type { RegionId } from '#core/region.ts';
import type { Truth } from '#sim/check/truth.ts';
import { arrival } from '#sim/metrics/copies.ts';
import type { Copies } from '#sim/metrics/copies.ts';
import { distributionOf } from '#sim/metrics/distribution.ts';
import type { Distribution } from '#sim/metrics/distribution.ts';

/** From commit in one region to visibility in another. */
export interface PairLag {
  readonly from: RegionId;
  readonly to: RegionId;
  readonly lag: Distribution | null;
}

export interface Lag {
  readonly all: Distribution | null;
  /** Commits made when no fault was at work anywhere. */
  readonly calm: Distribution | null;
  readonly pairs: readonly PairLag[];
  readonly curve: readonly LagSample[];
}

export interface LagSample {
  readonly atUs: number;
  readonly from: RegionId;
  readonly to: RegionId;
  readonly lagUs: number;
}

export function lagOf(truth: Truth, { visibleUs }: Copies, quiet: (atUs: number) => boolean): Lag {
  const curve: LagSample[] = [];
  for (const { dot, commit } of truth.transactions.values()) {
    for (const to of truth.frame.regions) {
      const seenUs = visibleUs.get(arrival(to, dot));
      if (to === commit.region || seenUs === undefined) continue;
      curve.push({ atUs: commit.atUs, from: commit.region, to, lagUs: seenUs - commit.atUs });
    }
  }
  const pairs = truth.frame.regions.flatMap((from) =>
    truth.frame.regions
      .filter((to) => to !== from)
      .map((to) => {
        const own = curve.filter((sample) => sample.from === from && sample.to === to);
        return { from, to, lag: distributionOf(own.map(({ lagUs }) => lagUs)) };
      }),
  );
  return {
    all: distributionOf(curve.map(({ lagUs }) => lagUs)),
    calm: distributionOf(curve.filter(({ atUs }) => quiet(atUs)).map(({ lagUs }) => lagUs)),
    pairs,
    curve,
  };
}
