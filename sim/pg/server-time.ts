import type { Scheduler } from '#sim/kernel/ports.ts';

/**
 * Time as the server's processes see it: what a killed server had planned never happens, a frozen one
 * does it all when it thaws, a slow one takes longer.
 */
export class ServerTime {
  readonly #scheduler: Scheduler;
  #incarnation = 0;
  #frozen = false;
  #held: (() => void)[] = [];
  #slowness = 1;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  nowUs(): number {
    return this.#scheduler.nowUs();
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  after(delayUs: number, run: () => void): () => void {
    const born = this.#incarnation;
    const guarded = (): void => {
      if (born !== this.#incarnation) return;
      if (this.#frozen) this.#held.push(guarded);
      else run();
    };
    return this.#scheduler.after(Math.round(delayUs * this.#slowness), guarded);
  }

  /** The process is gone with everything it was about to do. */
  die(): void {
    this.#incarnation++;
    this.#held = [];
    this.#frozen = false;
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.#scheduler.after(0, run);
  }

  /** Everything the server does takes this many times as long. */
  slow(factor: number): void {
    this.#slowness = factor;
  }
}
