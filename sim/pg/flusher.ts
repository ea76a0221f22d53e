import type { Pace } from '#sim/pg/pace.ts';
import type { ServerTime } from '#sim/pg/server-time.ts';
import type { Wal } from '#sim/pg/wal.ts';

interface Waiting {
  readonly lsn: number;
  readonly done: () => void;
}

/**
 * Brings the WAL to disk: one fsync at a time takes everything written before it began, so commits that
 * wait together share one.
 */
export class Flusher {
  readonly #wal: Wal;
  readonly #time: ServerTime;
  readonly #pace: Pace;
  readonly #flushed: () => void;
  #waiting: Waiting[] = [];
  #busy = false;
  #writerDue = false;
  #extraUs = 0;
  #stuck = false;
  #writtenLsn = 0;

  constructor(wal: Wal, time: ServerTime, pace: Pace, flushed: () => void) {
    this.#wal = wal;
    this.#time = time;
    this.#pace = pace;
    this.#flushed = flushed;
  }

  wait(lsn: number, done: () => void): void {
    if (this.#wal.flushedLsn >= lsn) {
      this.#time.after(0, done);
      return;
    }
    this.#waiting.push({ lsn, done });
    this.#begin();
  }

  /** Somebody committed and does not wait: the WAL writer comes along sooner or later. */
  later(): void {
    if (this.#writerDue) return;
    this.#writerDue = true;
    this.#time.after(this.#pace.walWriter(), () => {
      this.#writerDue = false;
      if (this.#wal.flushedLsn < this.#wal.insertLsn) this.#begin();
    });
  }

  /** Every fsync takes this much longer. */
  slow(extraUs: number): void {
    this.#extraUs = extraUs;
  }

  /** The WAL's disk is full: nothing is flushed any more. */
  set stuck(stuck: boolean) {
    this.#stuck = stuck;
    if (!stuck && this.#waiting.length > 0) this.#begin();
  }

  /** What the operating system has: it survives the server, though not the machine. */
  get writtenLsn(): number {
    return Math.max(this.#writtenLsn, this.#wal.flushedLsn);
  }

  /** The server died: nobody waits any more. */
  reset(): void {
    this.#waiting = [];
    this.#busy = false;
    this.#writerDue = false;
    this.#writtenLsn = 0;
  }

  #begin(): void {
    if (this.#busy || this.#stuck) return;
    this.#busy = true;
    const target = this.#wal.insertLsn;
    this.#writtenLsn = target;
    this.#time.after(this.#pace.fsync() + this.#extraUs, () => {
      this.#busy = false;
      this.#wal.flushedTo(target);
      const reached = this.#waiting.filter(({ lsn }) => lsn <= target);
      this.#waiting = this.#waiting.filter(({ lsn }) => lsn > target);
      this.#flushed();
      for (const { done } of reached) done();
      if (this.#waiting.length > 0) this.#begin();
    });
  }
}
