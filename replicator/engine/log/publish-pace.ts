/** Over what time arrivals are averaged. */
const MEMORY_MS = 50;
/** Up to this rate every transaction is published as it comes: the wait would be all of its lag. */
const QUIET_PER_SECOND = 300;
/** Above it, the wait grows by a millisecond for so many more a second. */
const PER_SECOND_AND_MS = 50;
/** A frame of so many transactions has shared what a frame costs. */
const COMPANY = 24;
const WAIT_MS_MAX = 8;

/**
 * How long the next frame waits for company. A frame costs a visibility check here, two appends and a
 * commit at every peer, whatever is in it: while transactions pour in, that CPU time is the application's.
 */
export class PublishPace {
  #level = 0;
  #atMs = -Infinity;

  arrived(nowMs: number): void {
    this.#level = this.#faded(nowMs) + 1;
    this.#atMs = nowMs;
  }

  waitMs(nowMs: number): number {
    const perSecond = (this.#faded(nowMs) * 1000) / MEMORY_MS;
    if (perSecond <= QUIET_PER_SECOND) return 0;
    const rising = (perSecond - QUIET_PER_SECOND) / PER_SECOND_AND_MS;
    return Math.min(rising, (COMPANY * 1000) / perSecond, WAIT_MS_MAX);
  }

  #faded(nowMs: number): number {
    return this.#level * Math.exp((this.#atMs - nowMs) / MEMORY_MS);
  }
}
