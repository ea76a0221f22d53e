/** What a figure should be: an absolute bound, or a share of what native replication manages. */
export type Aim =
  | { readonly kind: 'at most'; readonly value: number }
  | { readonly kind: 'of native'; readonly atLeast: number };

export interface Spread {
  readonly runs: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One line of the report. */
export interface Figure {
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: Spread | null;
  readonly native: Spread | null;
  readonly aim: Aim | null;
  /** What was busy meanwhile, and whatever else explains the figure. */
  readonly notes: readonly string[];
}

export interface FigureOptions {
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly native: readonly number[];
  readonly aim?: Aim;
  readonly notes?: readonly string[];
}

export function figure(options: FigureOptions): Figure {
  const { part, name, unit, ours, native, aim = null, notes = [] } = options;
  return { part, name, unit, ours: spread(ours), native: spread(native), aim, notes };
}

/** Ours as a multiple of native's; null when one of them was not measured. */
export function ratioOf({ ours, native }: Figure): number | null {
  if (ours === null || native === null || native.median === 0) return null;
  return ours.median / native.median;
}

/** Whether the aim is met; null without an aim or without the figures to judge it by. */
export function isMet(of: Figure): boolean | null {
  const { aim, ours } = of;
  if (aim === null || ours === null) return null;
  if (aim.kind === 'at most') return ours.median <= aim.value;
  const ratio = ratioOf(of);
  return ratio === null ? null : ratio >= aim.atLeast;
}

/** The value below which a share of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function spread(samples: readonly number[]): Spread | null {
  if (samples.length === 0) return null;
  return {
    runs: samples.length,
    median: quantile(samples, 0.5),
    min: Math.min(...samples),
    max: Math.max(...samples),
  };
}
