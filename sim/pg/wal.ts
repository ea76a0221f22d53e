import type { Lsn } from '#core/lsn.ts';
import type { PgText } from '#core/relation.ts';
import type { Table } from '#sim/pg/table.ts';
import type { Xact } from '#sim/pg/transaction.ts';

/** One row or table change of a transaction, as logical decoding sees it. */
export interface Change {
  readonly kind: 'insert' | 'update' | 'delete' | 'truncate' | 'message';
  readonly xact: Xact;
  readonly table: Table | null;
  readonly old: readonly PgText[] | null;
  readonly new: readonly PgText[] | null;
  /** Columns that an update assigned: the others may be sent as unchanged. */
  readonly assigned: ReadonlySet<number> | null;
  /** Written while a replication origin was set. */
  readonly underOrigin: boolean;
  readonly message: { readonly prefix: string; readonly content: string } | null;
  readonly endLsn: Lsn;
}

export interface CommitEntry {
  readonly kind: 'commit';
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly xact: Xact;
  readonly xid: number;
  /** The greatest id among it and its subtransactions. */
  readonly lastXid: number;
  readonly commitTimeUs: number;
  readonly trueUs: number;
  /** First record of the transaction. */
  readonly firstLsn: Lsn;
  readonly changes: readonly Change[];
  readonly tag: string | null;
}

export interface MessageEntry {
  readonly kind: 'message';
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
  readonly prefix: string;
  readonly content: string;
}

/** What logical decoding hands out by itself. Everything else only takes room. */
export type WalEntry = CommitEntry | MessageEntry;

const PAGE = 8192;
const SEGMENT = 16 * 1024 * 1024;
const SHORT_HEADER = 24;
const LONG_HEADER = 40;
const RECORD_HEADER = 24;

/** The write-ahead log: positions as PostgreSQL counts them, and what is flushed. */
export class Wal {
  /** In the order of their positions. */
  #entries: WalEntry[] = [];
  /** Entries before this one were cut off by `forget`. */
  #first = 0;
  #insertLsn: number;
  #flushedLsn: number;
  /** The greatest id that a record up to a position knew, where it grew. */
  #xidMarks: { readonly lsn: number; readonly xid: number }[] = [];

  constructor(start: number) {
    this.#insertLsn = start;
    this.#flushedLsn = start;
  }

  get insertLsn(): Lsn {
    return this.#insertLsn as Lsn;
  }

  get flushedLsn(): Lsn {
    return this.#flushedLsn as Lsn;
  }

  /** One past the last entry; entries are numbered from 0 for ever. */
  get length(): number {
    return this.#first + this.#entries.length;
  }

  entry(at: number): WalEntry | undefined {
    return this.#entries[at - this.#first];
  }

  /** Takes the room of one record; returns where it starts. The end is `insertLsn` afterwards. */
  insert(payloadBytes: number): Lsn {
    let left = RECORD_HEADER + payloadBytes;
    this.#skipHeader();
    const start = this.#insertLsn;
    for (;;) {
      const room = PAGE - (this.#insertLsn % PAGE);
      if (left <= room) break;
      left -= room;
      this.#insertLsn += room;
      this.#skipHeader();
    }
    this.#insertLsn += left;
    // Records start at multiples of eight.
    this.#insertLsn += (8 - (this.#insertLsn % 8)) % 8;
    return start as Lsn;
  }

  /** The id was in the last record: recovery will not give it out again if that record survives. */
  noteXid(xid: number): void {
    if (xid > this.highestXid()) this.#xidMarks.push({ lsn: this.#insertLsn, xid });
  }

  highestXid(): number {
    return this.#xidMarks.at(-1)?.xid ?? 0;
  }

  append(entry: WalEntry): void {
    this.#entries.push(entry);
  }

  flushedTo(lsn: number): void {
    if (lsn > this.#flushedLsn) this.#flushedLsn = lsn;
  }

  /** The number of the first entry that ends after this position. */
  firstEndingAfter(lsn: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.endLsn ?? 0) > lsn) high = middle;
      else low = middle + 1;
    }
    return this.#first + low;
  }

  /** The number of the first entry that starts at or after this position. */
  firstStartingAt(lsn: number): number {
    const at = this.firstEndingAfter(lsn);
    const entry = this.entry(at);
    return entry !== undefined && entry.startLsn < lsn ? at + 1 : at;
  }

  /** Everything after this position never was; new records take the same positions. */
  cutAt(lsn: number): readonly WalEntry[] {
    const from = this.firstEndingAfter(lsn) - this.#first;
    const lost = this.#entries.slice(from);
    this.#entries = this.#entries.slice(0, from);
    this.#xidMarks = this.#xidMarks.filter((mark) => mark.lsn <= lsn);
    this.#insertLsn = lsn;
    this.#flushedLsn = lsn;
    return lost;
  }

  #skipHeader(): void {
    if (this.#insertLsn % PAGE !== 0) return;
    this.#insertLsn += this.#insertLsn % SEGMENT === 0 ? LONG_HEADER : SHORT_HEADER;
  }
}
