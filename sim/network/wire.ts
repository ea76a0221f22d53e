import type { Scheduler } from '#sim/kernel/ports.ts';
import type { Path } from '#sim/network/path.ts';

/** Headers of TCP, IP and the protocol, about. */
const OVERHEAD_BYTES = 100;

/** One direction of one connection: what is sent arrives in order, at a process, if that still lives. */
export class Wire {
  readonly #path: Path;
  readonly #receiver: Scheduler;
  #lastArrivalUs = 0;

  constructor(path: Path, receiver: Scheduler) {
    this.#path = path;
    this.#receiver = receiver;
  }

  /** Calls `arrive` in the receiver when the bytes are there; perhaps never. */
  send(bytes: number, arrive: () => void): void {
    this.#path.send(bytes + OVERHEAD_BYTES, (delayUs) => {
      const now = this.#receiver.nowUs();
      const at = Math.max(now + delayUs, this.#lastArrivalUs);
      this.#lastArrivalUs = at;
      this.#receiver.after(at - now, arrive);
    });
  }
}
