import { percentile } from '#deploy/demo/percentile.ts';

/** One beat of one region that became visible in another. */
interface Sample {
  readonly committedAt: number;
  readonly seenAt: number;
  readonly lagMs: number;
}

export interface LagFigures {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

export interface Pair {
  readonly from: string;
  readonly to: string;
}

/** 20 beats a second and pair for ten minutes. */
const SAMPLES_MAX = 12_000;

/** The lag of every pair of regions, from acknowledged commit to visible; times in milliseconds. */
export class LagRecorder {
  readonly #latencyMs: (from: string, to: string) => number;
  /** Commit times of beats that some region has not seen yet, by region. */
  readonly #beats = new Map<string, number[]>();
  readonly #seen = new Map<string, number>();
  readonly #samples = new Map<string, Sample[]>();

  constructor(latencyMs: (from: string, to: string) => number) {
    this.#latencyMs = latencyMs;
  }

  /** Beat number `#beats.length + 1` of `region` was acknowledged. */
  committed(region: string, at: number): void {
    const beats = this.#beats.get(region);
    if (beats === undefined) this.#beats.set(region, [at]);
    else beats.push(at);
  }

  /** `region` shows this beat of `from`; those between the last look and now came with it. */
  visible(from: string, region: string, beat: number, at: number, count: boolean): void {
    const pair = pairName(from, region);
    const beats = this.#beats.get(from) ?? [];
    const last = this.#seen.get(pair) ?? 0;
    // The answer to the writer may still be on its way when others see what it wrote.
    const known = Math.min(beat, beats.length);
    if (known <= last) return;
    this.#seen.set(pair, known);
    if (!count) return;
    const samples = this.#samples.get(pair) ?? [];
    this.#samples.set(pair, samples);
    for (const committedAt of beats.slice(last, known)) {
      if (samples.length >= SAMPLES_MAX) return;
      const lagMs = Math.max(0, at - committedAt - this.#latencyMs(from, region));
      samples.push({ committedAt, seenAt: at, lagMs });
    }
  }

  /** When the newest beat of `from` that `to` has seen was committed; 0 before the first. */
  seenUntil(from: string, to: string): number {
    const seen = this.#seen.get(pairName(from, to)) ?? 0;
    return this.#beats.get(from)?.[seen - 1] ?? 0;
  }

  /** Figures of one pair since a moment, net of the link's latency; null when nothing was seen. */
  figures(from: string, to: string, since = 0): LagFigures | null {
    const samples = this.#samples.get(pairName(from, to)) ?? [];
    return figuresOf(samples.filter(({ seenAt }) => seenAt >= since));
  }

  /** Figures of these pairs together, of beats committed at a moment that `counts`. */
  total(pairs: readonly Pair[], counts: (committedAt: number) => boolean): LagFigures | null {
    const samples = pairs.flatMap(({ from, to }) => this.#samples.get(pairName(from, to)) ?? []);
    return figuresOf(samples.filter(({ committedAt }) => counts(committedAt)));
  }
}

function figuresOf(samples: readonly Sample[]): LagFigures | null {
  const lags = samples.map(({ lagMs }) => lagMs);
  const p50 = percentile(lags, 0.5);
  const p99 = percentile(lags, 0.99);
  return p50 === null || p99 === null ? null : { p50, p99, samples: lags.length };
}

function pairName(from: string, to: string): string {
  return `${from} ${to}`;
}
