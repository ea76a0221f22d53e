import type { Lsn } from '#core/lsn.ts';
import type { PgText } from '#core/relation.ts';
import { encodeMessage } from '#replicator/engine/pgoutput/encode.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import type { PgoutputMessage, Tuple } from '#replicator/engine/pgoutput/message.ts';
import type { ReplicationFrame } from '#replicator/engine/replication-port.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import type { Slot } from '#sim/pg/slot.ts';
import type { Table } from '#sim/pg/table.ts';
import { xid32 } from '#sim/pg/transaction.ts';
import type { Change, CommitEntry, WalEntry } from '#sim/pg/wal.ts';

/** Values longer than this are kept out of line; untouched by an UPDATE they are not sent again. */
const TOAST_BYTES = 2000;
const WINDOW_FRAMES = 4096;
const GENERATED_COLUMNS_VERSION = 180_000;
const BATCH_ENTRIES = 64;

export interface WalSenderOptions {
  readonly slot: Slot;
  readonly publication: string;
  readonly filterOrigin: boolean;
  readonly startLsn: Lsn;
  readonly deliver: (frames: readonly ReplicationFrame[]) => void;
  /** The server ends the connection. */
  readonly hangUp: (why: string) => void;
}

/** Decodes flushed WAL for one consumer, whole transactions in commit order, and sends pgoutput. */
export class WalSender {
  readonly #core: ServerCore;
  readonly #options: WalSenderOptions;
  readonly #described = new Set<Table>();
  #next: number;
  #busy = false;
  #unread = 0;
  #stopped = false;

  constructor(core: ServerCore, options: WalSenderOptions) {
    this.#core = core;
    this.#options = options;
    // A transaction is skipped when its commit record starts before the position, a message likewise.
    this.#next = core.wal.firstStartingAt(options.startLsn);
  }

  get slot(): Slot {
    return this.#options.slot;
  }

  /** There may be something to send. */
  poke(): void {
    if (this.#busy || this.#stopped || this.#unread >= WINDOW_FRAMES) return;
    if (!this.#hasNext()) return;
    this.#busy = true;
    this.#core.time.after(this.#core.pace.decode(), () => {
      this.#busy = false;
      this.#send();
      this.poke();
    });
  }

  /** The client took this many frames off its socket. */
  read(frames: number): void {
    this.#unread -= frames;
    this.poke();
  }

  /** The client asked whether we are alive. */
  keepalive(): void {
    if (this.#stopped) return;
    const walEnd = this.#core.wal.flushedLsn;
    this.#options.deliver([{ kind: 'keepalive', walEnd }]);
    this.#unread++;
  }

  stop(): void {
    this.#stopped = true;
    if (this.slot.activeFor === this) this.slot.activeFor = null;
  }

  hangUp(why: string): void {
    this.stop();
    this.#options.hangUp(why);
  }

  #hasNext(): boolean {
    const { wal } = this.#core;
    const entry = wal.entry(this.#next);
    return entry !== undefined && entry.endLsn <= wal.flushedLsn;
  }

  #send(): void {
    if (this.#stopped) return;
    const frames: ReplicationFrame[] = [];
    const { wal } = this.#core;
    for (let count = 0; count < BATCH_ENTRIES && frames.length < WINDOW_FRAMES; count++) {
      const entry = wal.entry(this.#next);
      if (entry === undefined || entry.endLsn > wal.flushedLsn) break;
      this.#next++;
      this.#decode(entry, frames);
    }
    if (frames.length === 0) return;
    this.#unread += frames.length;
    this.#options.deliver(frames);
  }

  #decode(entry: WalEntry, frames: ReplicationFrame[]): void {
    const push = (walStart: Lsn, message: PgoutputMessage): void => {
      frames.push({ kind: 'data', walStart, bytes: encodeMessage(message) });
    };
    if (entry.kind === 'message') {
      const { prefix, content, endLsn } = entry;
      push(entry.startLsn, logicalMessage(false, prefix, content, endLsn));
      return;
    }
    const published = entry.changes.filter((change) => this.#isPublished(change));
    // Since 15 a transaction without anything published is not sent at all.
    if (published.length === 0) return;
    const { startLsn, endLsn, commitTimeUs, xid } = entry;
    push(startLsn, { kind: 'begin', commitLsn: startLsn, commitTimeUs, xid: xid32(xid) });
    this.#changes(published, entry, push);
    for (const { kind, table } of published) {
      if (kind === 'truncate' && table !== null) this.#described.delete(table);
    }
    push(endLsn, { kind: 'commit', commitLsn: startLsn, endLsn, commitTimeUs });
  }

  #changes(
    published: readonly Change[],
    entry: CommitEntry,
    push: (walStart: Lsn, message: PgoutputMessage) => void,
  ): void {
    for (const change of published) {
      const { table, message } = change;
      if (message !== null) {
        push(change.endLsn, logicalMessage(true, message.prefix, message.content, change.endLsn));
        continue;
      }
      if (table === null) continue;
      // TRUNCATE changes the catalogue, so the table is described again, and once more afterwards.
      if (change.kind === 'truncate') this.#described.delete(table);
      if (!this.#described.has(table)) {
        this.#described.add(table);
        push(entry.startLsn, relationMessage(table, this.#sent(table)));
      }
      const row = rowMessage(change, table, this.#sent(table));
      if (row !== null) push(change.endLsn, row);
    }
  }

  /** Positions of the columns that are sent; null: all. Before 18 generated ones never were. */
  #sent(table: Table): readonly number[] | null {
    if (this.#core.version >= GENERATED_COLUMNS_VERSION) return null;
    return table.plainColumns;
  }

  #isPublished({ table, underOrigin, message }: Change): boolean {
    if (underOrigin && this.#options.filterOrigin) return false;
    if (message !== null) return true;
    const { publications } = this.#core;
    return table !== null && publications.get(this.#options.publication)?.has(table.id) === true;
  }
}

function logicalMessage(
  transactional: boolean,
  prefix: string,
  content: string,
  lsn: Lsn,
): PgoutputMessage {
  const bytes = new TextEncoder().encode(content);
  return { kind: 'message', xid: null, transactional, lsn, prefix, content: bytes };
}

function relationMessage(table: Table, sent: readonly number[] | null): PgoutputMessage {
  const { schema, name, columns, replicaIdentity = 'default' } = table.definition;
  const full = replicaIdentity === 'full';
  const described = columns.map((column, at) => ({
    name: column.name,
    typeOid: table.types[at]?.oid ?? 0,
    typeModifier: table.types[at]?.modifier ?? -1,
    partOfKey: full || (replicaIdentity === 'default' && table.keyColumns.includes(at)),
  }));
  return {
    kind: 'relation',
    xid: null,
    relationOid: table.oid,
    schema,
    name,
    replicaIdentity,
    columns: chosen(described, sent),
  };
}

/** Null: without a replica identity a DELETE leaves nothing to say. */
function rowMessage(
  change: Change,
  table: Table,
  sent: readonly number[] | null,
): PgoutputMessage | null {
  const { kind, old, new: values, assigned } = change;
  const pick = (tuple: Tuple): Tuple => chosen(tuple, sent);
  const relationOid = table.oid;
  const full = table.definition.replicaIdentity === 'full';
  switch (kind) {
    case 'insert':
      return { kind, xid: null, relationOid, values: pick(values ?? []) };
    case 'update': {
      const keyMoved = table.keyColumns.some((at) => old?.[at] !== values?.[at]);
      return {
        kind,
        xid: null,
        relationOid,
        oldKey: !full && keyMoved ? pick(keyTuple(table, old ?? [])) : null,
        oldValues: full ? pick(old ?? []) : null,
        values: pick(withoutUnchanged(values ?? [], assigned)),
      };
    }
    case 'delete':
      if (table.definition.replicaIdentity === 'nothing') return null;
      return {
        kind,
        xid: null,
        relationOid,
        oldKey: full ? null : pick(keyTuple(table, old ?? [])),
        oldValues: full ? pick(old ?? []) : null,
      };
    case 'truncate':
      return {
        kind,
        xid: null,
        relationOids: [relationOid],
        cascade: false,
        restartIdentity: false,
      };
    default:
      return null;
  }
}

function chosen<Item>(all: readonly Item[], sent: readonly number[] | null): readonly Item[] {
  return sent === null ? all : all.filter((_, at) => sent.includes(at));
}

function keyTuple(table: Table, values: readonly PgText[]): Tuple {
  return values.map((value, at) => (table.keyColumns.includes(at) ? value : null));
}

function withoutUnchanged(values: readonly PgText[], assigned: ReadonlySet<number> | null): Tuple {
  const isLarge = (value: PgText): boolean => value !== null && value.length > TOAST_BYTES;
  if (assigned === null || !values.some(isLarge)) return values;
  return values.map((value, at) => (isLarge(value) && !assigned.has(at) ? UNCHANGED : value));
}
