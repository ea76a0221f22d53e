/**
 * A condition one loop waits for and others announce. Wake-ups that come while nobody waits are kept,
 * so that "look, then wait" cannot miss one.
 */
export class Signal {
  #raised = false;
  #waiting: (() => void) | null = null;

  raise(): void {
    this.#raised = true;
    this.#waiting?.();
  }

  /** Resolves at the next (or a kept) raise, or when `signal` aborts. One waiter at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#raised && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.#waiting = null;
          resolve();
        };
        this.#waiting = done;
        signal.addEventListener('abort', done);
      });
    }
    this.#raised = false;
  }
}
