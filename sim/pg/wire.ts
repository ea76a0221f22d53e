import type { Scheduler } from '#sim/kernel/ports.ts';

/**
 * The way between a client and the server, each direction in order. A network replaces it: it may hold
 * what is sent for as long as it likes, and drop it only together with the connection.
 */
export interface Wire {
  toServer(deliver: () => void): void;
  toClient(deliver: () => void): void;
}

/** Client and server on one site: a short hop. */
export class LocalWire implements Wire {
  readonly #scheduler: Scheduler;
  readonly #hopUs: () => number;
  #serverAtUs = 0;
  #clientAtUs = 0;

  constructor(scheduler: Scheduler, hopUs: () => number) {
    this.#scheduler = scheduler;
    this.#hopUs = hopUs;
  }

  toServer(deliver: () => void): void {
    this.#serverAtUs = this.#send(this.#serverAtUs, deliver);
  }

  toClient(deliver: () => void): void {
    this.#clientAtUs = this.#send(this.#clientAtUs, deliver);
  }

  #send(lastUs: number, deliver: () => void): number {
    const now = this.#scheduler.nowUs();
    const atUs = Math.max(lastUs, now + Math.round(this.#hopUs()));
    this.#scheduler.after(atUs - now, deliver);
    return atUs;
  }
}
