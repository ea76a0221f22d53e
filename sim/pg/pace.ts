import type { RandomStream } from '#sim/kernel/ports.ts';

/** How long things take, in microseconds: means of exponential distributions unless they say otherwise. */
export interface Timings {
  /** One way between a client on the same site and the server. */
  readonly hopUs: number;
  /** A statement by itself, and each of its rows. */
  readonly statementUs: number;
  readonly rowUs: number;
  /** How often other backends get in between two rows of one statement, and for how long. */
  readonly rowPauseChance: number;
  readonly rowPauseUs: number;
  readonly fsyncUs: number;
  /** The longest that a commit with synchronous_commit = off stays unflushed. */
  readonly walWriterUs: number;
  /** From the flushed commit record to the commit that snapshots show. */
  readonly visibleUs: number;
  readonly wakeUs: number;
  /** Decoding and sending of one transaction. */
  readonly decodeUs: number;
  readonly connectUs: number;
  /** Commit times of transactions that end together differ by up to this, in either order. Fixed. */
  readonly commitTimeJitterUs: number;
  readonly deadlockTimeoutUs: number;
  readonly walSenderTimeoutUs: number;
  readonly checkpointUs: number;
  /** The server writes what runs into the WAL: a slot that passes it is saved. */
  readonly standbySnapshotUs: number;
}

export const DEFAULT_TIMINGS: Timings = {
  hopUs: 60,
  statementUs: 60,
  rowUs: 8,
  rowPauseChance: 0.01,
  rowPauseUs: 150,
  fsyncUs: 900,
  walWriterUs: 200_000,
  visibleUs: 25,
  wakeUs: 40,
  decodeUs: 40,
  connectUs: 2_000,
  commitTimeJitterUs: 30,
  deadlockTimeoutUs: 1_000_000,
  walSenderTimeoutUs: 60_000_000,
  checkpointUs: 300_000_000,
  standbySnapshotUs: 15_000_000,
};

/** Draws durations; each kind of work from its own stream, so that one more of it shifts no other. */
export class Pace {
  readonly timings: Timings;
  readonly #stream: (name: string) => RandomStream;
  readonly #work: RandomStream;
  readonly #disk: RandomStream;
  readonly #wire: RandomStream;

  constructor(timings: Timings, stream: (name: string) => RandomStream) {
    this.timings = timings;
    this.#stream = stream;
    this.#work = stream('work');
    this.#disk = stream('disk');
    this.#wire = stream('wire');
  }

  statement(rows: number): number {
    const { statementUs, rowUs } = this.timings;
    return this.#work.exponential(statementUs) + rows * rowUs;
  }

  /** 0: go on at once. */
  betweenRows(): number {
    const { rowPauseChance, rowPauseUs } = this.timings;
    return this.#work.chance(rowPauseChance) ? this.#work.exponential(rowPauseUs) : 0;
  }

  fsync(): number {
    return this.#disk.exponential(this.timings.fsyncUs);
  }

  walWriter(): number {
    return this.#disk.uniform() * this.timings.walWriterUs;
  }

  visible(): number {
    return this.#work.exponential(this.timings.visibleUs);
  }

  wake(): number {
    return this.#work.exponential(this.timings.wakeUs);
  }

  decode(): number {
    return this.#disk.exponential(this.timings.decodeUs);
  }

  hop(): number {
    return this.#wire.exponential(this.timings.hopUs);
  }

  connect(): number {
    return this.#wire.exponential(this.timings.connectUs);
  }

  commitTimeJitter(): number {
    return this.#work.between(0, this.timings.commitTimeJitterUs);
  }

  stream(name: string): RandomStream {
    return this.#stream(name);
  }
}
