import type { Clock, Logger, Timers } from '#core/ports.ts';

interface Alarm {
  readonly atMs: number;
  readonly ring: () => void;
}

export const SILENT: Logger = { log: () => undefined };

/** Time that passes only when the test says so. */
export class ManualTime implements Clock, Timers {
  #nowMs = 1000;
  #alarms: Alarm[] = [];

  wallUs(): number {
    return this.#nowMs * 1000;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const alarm = { atMs: this.#nowMs + ms, ring: resolve };
      this.#alarms.push(alarm);
      signal?.addEventListener('abort', () => {
        this.#drop(alarm);
        resolve();
      });
    });
  }

  every(ms: number, run: () => void): () => void {
    let alarm: Alarm;
    const again = (): void => {
      alarm = { atMs: this.#nowMs + ms, ring: () => (again(), run()) };
      this.#alarms.push(alarm);
    };
    again();
    return () => this.#drop(alarm);
  }

  /** Rings what is due within `ms`, in order, and lets everything that follows from it happen. */
  async pass(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    await settled();
    for (;;) {
      const next = this.#alarms.toSorted((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > until) break;
      this.#drop(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.ring();
      await settled();
    }
    this.#nowMs = until;
  }

  #drop(alarm: Alarm): void {
    this.#alarms = this.#alarms.filter((other) => other !== alarm);
  }
}

/** Resolves when everything that needs no timer has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
