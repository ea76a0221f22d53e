import type { Clock } from '#core/ports.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';

/** 2026-01-01T00:00:00Z: what true time 0 of a run is called. */
export const DEFAULT_EPOCH_US = 1_767_225_600_000_000;
const PPM = 1_000_000;

/**
 * The clock of one machine, which outlives its processes. The wall clock is true time with an offset, a
 * drift and jumps; monotonic time only drifts. Whole microseconds.
 */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #epochUs: number;
  #offsetUs: number;
  #driftPpm = 0;
  /** Drift that has added up until its rate last changed. */
  #driftedUs = 0;
  #driftSinceUs = 0;

  constructor(scheduler: Scheduler, epochUs = DEFAULT_EPOCH_US, offsetUs = 0) {
    this.#scheduler = scheduler;
    this.#epochUs = epochUs;
    this.#offsetUs = offsetUs;
  }

  wallUs(): number {
    return this.#epochUs + this.#scheduler.nowUs() + this.#offsetUs + this.#drifted();
  }

  monotonicMs(): number {
    return (this.#scheduler.nowUs() + this.#drifted()) / 1000;
  }

  /** By how much the wall clock is wrong now. */
  errorUs(): number {
    return this.#offsetUs + this.#drifted();
  }

  /** Forward or back, at once. */
  jump(byUs: number): void {
    this.#offsetUs += Math.round(byUs);
  }

  /** From now on it runs fast or slow by so many millionths. */
  drift(ppm: number): void {
    this.#driftedUs = this.#drifted();
    this.#driftSinceUs = this.#scheduler.nowUs();
    this.#driftPpm = ppm;
  }

  #drifted(): number {
    const since = this.#scheduler.nowUs() - this.#driftSinceUs;
    return this.#driftedUs + Math.floor((since * this.#driftPpm) / PPM);
  }
}
