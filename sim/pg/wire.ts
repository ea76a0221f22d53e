import type { Scheduler } from '#sim/kernel/ports.ts';

/**
 * The way between a client and the server, each direction in order. A network replaces it: it may hold
 * what is sent for as long as it likes, and drop it only together with the connection.
 */
export interface Wire {
  toServer(deliver: () => void): void;
  /** On the client's own scheduler: a process that was killed or frozen does not hear it. */
  toClient(deliver: () => void): void;
}

/** Client and server on one site: a short hop. */
export class LocalWire implements Wire {
  readonly #server: Scheduler;
  readonly #client: Scheduler;
  readonly #hopUs: () => number;
  #serverAtUs = 0;
  #clientAtUs = 0;

  constructor(server: Scheduler, client: Scheduler, hopUs: () => number) {
    this.#server = server;
    this.#client = client;
    this.#hopUs = hopUs;
  }

  toServer(deliver: () => void): void {
    this.#serverAtUs = this.#send(this.#server, this.#serverAtUs, deliver);
  }

  toClient(deliver: () => void): void {
    this.#clientAtUs = this.#send(this.#client, this.#clientAtUs, deliver);
  }

  #send(receiver: Scheduler, lastUs: number, deliver: () => void): number {
    const now = receiver.nowUs();
    const atUs = Math.max(lastUs, now + Math.round(this.#hopUs()));
    receiver.after(atUs - now, deliver);
    return atUs;
  }
}
