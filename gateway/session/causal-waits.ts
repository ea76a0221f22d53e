import type { Timers } from '#core/ports.ts';
import type { CausalToken } from '#gateway/session/causal-token.ts';
import type { VisibleFrontier } from '#gateway/session/frontier.ts';

/** How a wait ended. */
export type WaitOutcome = 'covered' | 'timeout' | 'aborted' | 'crowded';

/** Requests that wait at once; the next is told to come back. */
export const WAITERS_MAX = 10_000;

interface Waiter {
  readonly token: CausalToken;
  readonly wake: (outcome: WaitOutcome) => void;
}

/** Requests that wait until this region has what they have seen elsewhere. */
export class CausalWaits {
  readonly #frontier: VisibleFrontier;
  readonly #timers: Timers;
  readonly #waiters = new Set<Waiter>();
  /** Called when somebody begins to wait: the applied vector is worth a look. */
  onWait: () => void = () => undefined;

  constructor(frontier: VisibleFrontier, timers: Timers) {
    this.#frontier = frontier;
    this.#timers = timers;
  }

  get count(): number {
    return this.#waiters.size;
  }

  /** To be called when the frontier advances. */
  advanced(): void {
    for (const waiter of this.#waiters) {
      if (this.#frontier.covers(waiter.token)) waiter.wake('covered');
    }
  }

  async until(token: CausalToken, timeoutMs: number, signal: AbortSignal): Promise<WaitOutcome> {
    if (this.#frontier.covers(token)) return 'covered';
    if (signal.aborted) return 'aborted';
    if (timeoutMs === 0) return 'timeout';
    if (this.#waiters.size >= WAITERS_MAX) return 'crowded';
    const over = new AbortController();
    const ended = Promise.withResolvers<WaitOutcome>();
    const waiter: Waiter = { token, wake: ended.resolve };
    const abort = (): void => ended.resolve('aborted');
    this.#waiters.add(waiter);
    signal.addEventListener('abort', abort);
    void this.#timers.sleep(timeoutMs, over.signal).then(() => ended.resolve('timeout'));
    this.onWait();
    try {
      return await ended.promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', abort);
      over.abort();
    }
  }
}
