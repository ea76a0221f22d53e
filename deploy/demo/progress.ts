import type { LagFigures } from '#deploy/demo/lag-recorder.ts';

/** What the demo is doing; the display draws it, the demo changes it. */
export interface Progress {
  readonly steps: readonly Step[];
  readonly regions: readonly RegionProgress[];
  readonly pairs: readonly PairProgress[];
  readonly conflicts: number;
}

export interface Step {
  readonly name: string;
  readonly what: string;
  readonly state:
    | { readonly kind: 'to-do' }
    | { readonly kind: 'doing'; readonly elapsedMs: number; readonly totalMs: number | null }
    | { readonly kind: 'done'; readonly elapsedMs: number; readonly result: string | null };
}

export interface RegionProgress {
  readonly region: string;
  readonly commits: number;
  readonly perSecond: number;
  /** Commits per second, the last few looks, oldest first. */
  readonly history: readonly number[];
}

export interface PairProgress {
  readonly from: string;
  readonly to: string;
  readonly latencyMs: number;
  readonly link:
    | { readonly kind: 'open'; readonly lag: LagFigures | null }
    | { readonly kind: 'cut'; readonly sinceMs: number }
    | { readonly kind: 'catching-up'; readonly behindMs: number };
}
