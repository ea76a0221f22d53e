import { GatewayError } from '#gateway/errors.ts';

export interface RateOptions {
  readonly perSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
  /** Keys remembered; the least recently used is forgotten, and starts with a full burst. */
  readonly maxKeys: number;
}

/**
 * The generic cell rate algorithm: one moment per key says when its next request is due. Exact, without a
 * process that refills anything; monotonic time, so that a changed clock changes nothing.
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #options: RateOptions;
  readonly #due = new Map<string, number>();

  constructor(options: RateOptions) {
    this.#options = options;
    this.#intervalMs = 1_000 / options.perSecond;
    this.#toleranceMs = this.#intervalMs * (options.burst - 1);
  }

  /** Throws RATE_LIMITED when the key has used up what it may. */
  admit(key: string, nowMs: number = performance.now()): void {
    const due = Math.max(this.#due.get(key) ?? 0, nowMs);
    if (due - nowMs > this.#toleranceMs) {
      const retryAfterMs = Math.ceil(due - nowMs - this.#toleranceMs);
      throw new GatewayError({
        code: 'RATE_LIMITED',
        message: `More than ${this.#options.perSecond} requests a second; wait ${retryAfterMs} ms.`,
        status: 429,
        retryable: true,
        more: { retryAfterMs },
      });
    }
    this.#due.delete(key);
    this.#due.set(key, due + this.#intervalMs);
    if (this.#due.size <= this.#options.maxKeys) return;
    for (const [oldest] of this.#due) {
      this.#due.delete(oldest);
      return;
    }
  }
}
