import type { LagRecorder } from '#deploy/demo/lag-recorder.ts';

/** What is committed so shortly before the cut may still be on its way when it comes. */
const IN_FLIGHT_MS = 500;

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'cut'; readonly since: number }
  | { readonly kind: 'catching-up'; readonly healedAt: number };

/** One region's way to all others: cut, healed, and again as before once all have caught up. */
export class Isolation {
  readonly region: string;
  readonly #others: readonly string[];
  readonly #lag: LagRecorder;
  #state: State = { kind: 'open' };
  /** From healing until every region had seen what was committed before; null until then. */
  caughtUpMs: number | null = null;
  #cutAt = Number.POSITIVE_INFINITY;
  #healedAt = Number.POSITIVE_INFINITY;

  constructor(region: string, others: readonly string[], lag: LagRecorder) {
    this.region = region;
    this.#others = others;
    this.#lag = lag;
  }

  cut(now: number): void {
    this.#cutAt = now;
    this.#state = { kind: 'cut', since: now };
  }

  heal(now: number): void {
    this.#healedAt = now;
    this.#state = { kind: 'catching-up', healedAt: now };
  }

  /** Whether what was committed then met no cut: not on its way either, not behind a backlog. */
  isSteady(committedAt: number): boolean {
    if (committedAt < this.#cutAt - IN_FLIGHT_MS) return true;
    return committedAt > this.#healedAt + (this.caughtUpMs ?? Number.POSITIVE_INFINITY);
  }

  /** Whether it was committed while the region was cut off. */
  isDuringCut(committedAt: number): boolean {
    return committedAt >= this.#cutAt && committedAt < this.#healedAt;
  }

  /** How a pair stands; a beat from after the healing proves that everything before it is there. */
  pair(from: string, to: string): State {
    if (from !== this.region && to !== this.region) return { kind: 'open' };
    const state = this.#state;
    if (state.kind !== 'catching-up') return state;
    return this.#lag.seenUntil(from, to) >= state.healedAt ? { kind: 'open' } : state;
  }

  /** Notes when the last pair has caught up; true while none is behind. */
  check(now: number): boolean {
    const state = this.#state;
    if (state.kind !== 'catching-up') return state.kind === 'open';
    const pairs = this.#others.flatMap((other) => [
      this.pair(other, this.region),
      this.pair(this.region, other),
    ]);
    if (pairs.some(({ kind }) => kind !== 'open')) return false;
    this.caughtUpMs = now - state.healedAt;
    this.#state = { kind: 'open' };
    return true;
  }
}
