import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#core/assert.ts';
import type { Lsn } from '#core/lsn.ts';
import { formatLsn, ZERO_LSN } from '#core/lsn.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import type { PgoutputMessage } from '#replicator/engine/pgoutput/message.ts';
import type {
  ReplicationFrame,
  ReplicationOptions,
  ReplicationStream,
} from '#replicator/engine/replication-port.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';
import { scratchDatabase } from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchDatabase, ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

/** The message of a kind; `kind: 'prepare'` and the like share one type. */
export type MessageOf<Kind extends PgoutputMessage['kind']> = Extract<
  PgoutputMessage,
  { readonly kind: Kind }
>;

/** A fresh database with table `t (id, v)`, publication "Pub it's" and a slot of the database's name. */
export interface StreamedDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  rows: ScratchDatabase['rows'];
  /** A second session. */
  session(): Promise<pg.Client>;
  start(more?: StartOptions): Promise<Reader>;
  /** Waits until the walsender is gone and its slot can be taken. */
  untilIdle(): Promise<void>;
  untilConfirmed(endLsn: Lsn): Promise<void>;
}

export interface StartOptions extends Partial<ReplicationOptions> {
  readonly maxHeldBytes?: number;
}

export async function streamedDatabase(
  server: ScratchServer,
  name: string,
  setUp = '',
): Promise<StreamedDatabase> {
  const database = await scratchDatabase(
    server,
    name,
    `CREATE TABLE t (id int PRIMARY KEY, v text);
     ALTER TABLE t REPLICA IDENTITY FULL;
     ${setUp};
     CREATE PUBLICATION "Pub it's" FOR ALL TABLES`,
  );
  await database.rows(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`);
  const open: AsyncDisposable[] = [];
  return {
    name,
    url: database.url,
    rows: (sql, parameters) => database.rows(sql, parameters),
    async session() {
      const client = new pg.Client({ connectionString: database.url });
      client.on('error', () => {});
      await client.connect();
      open.push({ [Symbol.asyncDispose]: () => client.end() });
      return client;
    },
    async start({ maxHeldBytes, ...options } = {}) {
      const held = maxHeldBytes === undefined ? {} : { maxHeldBytes };
      const source = new PgReplicationSource({ url: database.url, applicationName: name, ...held });
      const defaults = { slot: name, publication: "Pub it's", startLsn: ZERO_LSN } as const;
      const stream = await source.start({ ...defaults, origin: 'any', ...options });
      const reader = new Reader(stream);
      open.push({ [Symbol.asyncDispose]: () => stream.close() });
      return reader;
    },
    untilIdle: () => untilSlot(database, 'active_pid IS NULL'),
    untilConfirmed: (endLsn) =>
      untilSlot(database, `confirmed_flush_lsn = '${formatLsn(endLsn)}'::pg_lsn`),
    async [Symbol.asyncDispose]() {
      for (const resource of open) await resource[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function untilSlot(database: ScratchDatabase, condition: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const found = await database.rows(
      `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${database.name}' AND ${condition}`,
    );
    if (found.length > 0) return;
    await sleep(10);
  }
  throw new Error(`slot ${database.name} never came to: ${condition}`);
}

/** Reads one stream message by message. */
export class Reader {
  readonly stream: ReplicationStream;
  readonly #decoder = new PgoutputDecoder();
  readonly #batches: AsyncIterator<readonly ReplicationFrame[]>;
  #frames: readonly ReplicationFrame[] = [];
  #next = 0;

  constructor(stream: ReplicationStream) {
    this.stream = stream;
    this.#batches = stream[Symbol.asyncIterator]();
  }

  async frame(): Promise<ReplicationFrame> {
    while (this.#next === this.#frames.length) {
      const step = await this.#batches.next();
      if (step.done === true) throw new Error('the stream is closed');
      this.#frames = step.value;
      this.#next = 0;
    }
    this.#next += 1;
    return must(this.#frames[this.#next - 1], 'frame');
  }

  async message(): Promise<PgoutputMessage> {
    for (;;) {
      const frame = await this.frame();
      if (frame.kind === 'data') return this.#decoder.decode(frame.bytes);
    }
  }

  async keepalive(reaching: (walEnd: Lsn) => boolean = () => true): Promise<Lsn> {
    for (;;) {
      const frame = await this.frame();
      if (frame.kind === 'keepalive' && reaching(frame.walEnd)) return frame.walEnd;
    }
  }

  /** The next message of this kind; others are passed over. */
  async next<Kind extends PgoutputMessage['kind']>(kind: Kind): Promise<MessageOf<Kind>> {
    for (;;) {
      const message = await this.message();
      if (message.kind === kind) return message as MessageOf<Kind>;
    }
  }

  /** Everything from the next Begin to its Commit. */
  async transaction(): Promise<readonly PgoutputMessage[]> {
    const messages: PgoutputMessage[] = [await this.next('begin')];
    while (messages.at(-1)?.kind !== 'commit') messages.push(await this.message());
    return messages;
  }

  /** The first column of the rows the next `count` transactions inserted. */
  async insertedIds(count: number): Promise<readonly unknown[]> {
    const ids: unknown[] = [];
    for (let done = 0; done < count; done += 1) {
      for (const message of await this.transaction()) {
        if (message.kind === 'insert') ids.push(message.values[0]);
      }
    }
    return ids;
  }
}
