import type { Lsn } from '#core/lsn.ts';
import { statusUpdate } from '#replicator/pg/copy-framing.ts';

/**
 * Confirmations closer together are merged: each one makes the server take the slot's lock, and nobody
 * waits for them.
 */
const MIN_INTERVAL_MS = 50;

/**
 * The only place that tells the server how far we are. It sends the engine's end positions as they are:
 * PostgreSQL skips a transaction whose commit record starts before the confirmed position, and records
 * can touch, so one more byte would skip the next one (replication-stream.pg.test.ts, "back to back").
 */
export class Acker {
  readonly #send: (update: Buffer) => void;
  #confirmed: Lsn;
  #lastSentMs = 0;
  #pending: NodeJS.Timeout | null = null;
  #closed = false;

  /** `floor`: what the slot has confirmed already; older servers would let it move backwards. */
  constructor(floor: Lsn, send: (update: Buffer) => void) {
    this.#confirmed = floor;
    this.#send = send;
  }

  confirm(endLsn: Lsn): void {
    if (this.#closed || endLsn <= this.#confirmed) return;
    this.#confirmed = endLsn;
    if (this.#pending !== null) return;
    const wait = this.#lastSentMs + MIN_INTERVAL_MS - performance.now();
    if (wait <= 0) this.beat(false);
    else this.#pending = setTimeout(() => this.beat(false), wait);
  }

  /** Repeats the position now: we are alive. With `replyRequested` the server proves that it is. */
  beat(replyRequested: boolean): void {
    if (this.#closed) return;
    if (this.#pending !== null) clearTimeout(this.#pending);
    this.#pending = null;
    this.#lastSentMs = performance.now();
    this.#send(statusUpdate(this.#confirmed, Date.now() * 1000, replyRequested));
  }

  /** Sends what is still unsent, and nothing after it. */
  close(): void {
    if (this.#pending !== null) this.beat(false);
    this.#closed = true;
  }
}
