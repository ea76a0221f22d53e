import { must } from '#core/assert.ts';
import type { Lsn } from '#core/lsn.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import { Publisher } from '#replicator/engine/log/publisher.ts';
import { FrameReader } from '#replicator/engine/log/transactions.ts';
import type { Snapshot, StatementResult } from '#replicator/engine/statement.ts';
import { ManualTime, SILENT } from '#tests/replicator/engine/manual-time.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

const SPAN = 2n ** 32n;

/** A publisher between a database whose commits become visible when told and a stream that fails. */
export class PublisherBench {
  readonly stream: MemoryStream;
  readonly time = new ManualTime();
  readonly publisher: Publisher;
  readonly stop = new AbortController();
  readonly durable: FrameHeader[] = [];
  readonly confirmed: { readonly atMs: number; readonly endLsn: Lsn }[] = [];
  /** 32-bit ids of transactions that no snapshot shows yet. */
  readonly hidden = new Set<number>();
  /** The first id not given out: nothing from here on is visible. */
  xmax = 1_000_000;
  failure: unknown = null;
  readonly finished: Promise<void>;

  constructor(options: {
    readonly stream?: MemoryStream;
    readonly trailMs?: number;
    readonly maxUnpublishedBytes?: number;
    /** Where an earlier replicator left the stream. */
    readonly position?: number;
  }) {
    const { stream = new MemoryStream(), trailMs = 0, maxUnpublishedBytes = 1e9 } = options;
    this.stream = stream;
    const ports = { clock: this.time, timers: this.time, logger: SILENT };
    const tail = { position: options.position ?? 0, header: null };
    this.publisher = new Publisher(
      stream,
      this.#session(),
      tail,
      ports,
      { trailMs, maxUnpublishedBytes },
      {
        durable: (header) => this.durable.push(header),
        confirm: (endLsn) => this.confirmed.push({ atMs: this.time.monotonicMs(), endLsn }),
      },
    );
    this.finished = this.publisher.run(this.stop.signal).catch((error: unknown) => {
      this.failure = error;
    });
  }

  enqueue(...records: readonly OwnRecord[]): void {
    for (const record of records) this.publisher.enqueue(record);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.time.pass(0);
    await this.finished;
  }

  /** What a reader of the stream makes of it. */
  sequences(): readonly number[] {
    const reader = new FrameReader(0);
    return this.stream.entries.flatMap((entry) =>
      reader.push(entry).pieces.map(({ transaction }) => transaction.sequence),
    );
  }

  headers(): readonly FrameHeader[] {
    return this.stream.entries.map(({ frame }) => decodeFrame(frame).header);
  }

  snapshot(): Snapshot {
    // The server is in its sixth epoch of transaction ids; records carry the low half.
    const wide = (xid: number): bigint => 5n * SPAN + BigInt(xid);
    const running = [...this.hidden].filter((xid) => xid < this.xmax).toSorted((l, r) => l - r);
    const xmin = wide(running[0] ?? this.xmax);
    return { xmin, xmax: wide(this.xmax), inProgress: running.map(wide) };
  }

  #session(): DatabaseSession {
    return {
      flight: (statements) => {
        if (must(statements[0], 'statement').kind !== 'readSnapshot') throw new Error('unexpected');
        const result: StatementResult = { kind: 'snapshot', snapshot: this.snapshot() };
        return Promise.resolve([result]);
      },
      attempt: () => Promise.reject(new Error('unexpected')),
      close: () => Promise.resolve(),
    };
  }
}

/** Visible to a snapshot, by PostgreSQL's rule. */
export function shows(bench: PublisherBench, xid: number): boolean {
  return xid < bench.xmax && !bench.hidden.has(xid);
}
