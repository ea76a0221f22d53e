/** A sample of durations in microseconds, by nearest rank. */
export interface Distribution {
  readonly count: number;
  readonly p50Us: number;
  readonly p95Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** Null without a sample: no figure is better than a nought that nobody measured. */
export function distributionOf(samplesUs: readonly number[]): Distribution | null {
  if (samplesUs.length === 0) return null;
  const sorted = samplesUs.toSorted((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, p50Us: at(0.5), p95Us: at(0.95), p99Us: at(0.99), maxUs: at(1) };
}
