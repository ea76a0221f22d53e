declare const hlcTag: unique symbol;

/**
 * A hybrid logical clock reading: microseconds since the Unix epoch, pushed forward so that causes
 * always read less than effects. One scalar, not a pair: `last + 1` costs a microsecond of skew per
 * transaction that shares a commit time, far less than any wall clock is wrong by.
 */
export type Hlc = number & { readonly [hlcTag]: true };

export const ZERO_HLC = 0 as Hlc;

/** The stamp of the next own commit: never behind the wall, always after everything seen. */
export function nextHlc(last: Hlc, commitTimeUs: number, clockOffsetUs: number): Hlc {
  return Math.max(commitTimeUs - clockOffsetUs, last + 1) as Hlc;
}

/** After meeting a remote stamp (through an apply marker). */
export function witnessHlc(last: Hlc, met: Hlc): Hlc {
  return Math.max(last, met) as Hlc;
}
