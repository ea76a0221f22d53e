import type { Lsn } from '#core/lsn.ts';

/** How the server is asked to decode. */
export interface ReplicationOptions {
  readonly slot: string;
  readonly publication: string;
  /** The later of this and the slot's confirmed position is where decoding starts. */
  readonly startLsn: Lsn;
  /** `none`: the server drops what apply wrote (PostgreSQL 16 and newer). `any`: capture drops it by marker. */
  readonly origin: 'none' | 'any';
}

/** One message of the walsender, framing removed. */
export type ReplicationFrame =
  /** pgoutput bytes; valid only until the next call of the iterator: decode at once or copy. */
  | { readonly kind: 'data'; readonly walStart: Lsn; readonly bytes: Uint8Array }
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn };

/**
 * A started logical replication stream. Frames come in arrays, because the walsender writes one tiny
 * chunk per message and an iterator step per message would cost more than decoding it.
 */
export interface ReplicationStream extends AsyncIterable<readonly ReplicationFrame[]> {
  /**
   * Everything that committed before `endLsn` is durable in the log. Never goes backwards; the adapter
   * repeats the last position often enough for `wal_sender_timeout`, also while nobody reads.
   */
  confirm(endLsn: Lsn): void;
  close(): Promise<void>;
}

export interface ReplicationSource {
  /** Rejects with SLOT_BUSY (retry), SLOT_MISSING or SLOT_LOST (operator), DATABASE_UNREACHABLE (retry). */
  start(options: ReplicationOptions): Promise<ReplicationStream>;
}
