import type { Timers } from '#core/ports.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';

/** What Node makes of a shorter wait. */
const WAIT_MIN_MS = 1;

/** Timers of one process on virtual time: they die and freeze with it. */
export class SimTimers implements Timers {
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#scheduler.after(delayUs(ms), done);
      signal?.addEventListener('abort', done);
    });
  }

  every(ms: number, run: () => void): () => void {
    let cancel = (): void => undefined;
    const again = (): void => {
      cancel = this.#scheduler.after(delayUs(ms), () => {
        again();
        run();
      });
    };
    again();
    return () => cancel();
  }
}

function delayUs(ms: number): number {
  return Math.round(Math.max(WAIT_MIN_MS, ms) * 1000);
}
