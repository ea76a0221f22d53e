import type { Lsn } from '#core/lsn.ts';

/**
 * A large value that the UPDATE did not touch: the server sends a mark instead of the value. It is
 * neither NULL nor a change, and under REPLICA IDENTITY FULL the old row carries the value.
 */
export const UNCHANGED: unique symbol = Symbol('unchanged');

/** Text as PostgreSQL prints it, NULL, or a value that was not sent. */
export type TupleCell = string | null | typeof UNCHANGED;

/** One row version, in the order of its relation's columns. */
export type Tuple = readonly TupleCell[];

/**
 * One message of the pgoutput plugin, protocol versions 1 to 4. Times are microseconds since the Unix
 * epoch, transaction ids and OIDs unsigned 32-bit. `xid` on row messages is null outside a stream block.
 */
export type PgoutputMessage =
  | BeginMessage
  | CommitMessage
  | OriginMessage
  | RelationMessage
  | TypeMessage
  | InsertMessage
  | UpdateMessage
  | DeleteMessage
  | TruncateMessage
  | LogicalMessage
  | StreamMessage
  | PreparedMessage;

export interface BeginMessage {
  readonly kind: 'begin';
  /** Where the commit record starts; repeated by Commit. Begin's own XLogData position says nothing. */
  readonly commitLsn: Lsn;
  readonly commitTimeUs: number;
  readonly xid: number;
}

export interface CommitMessage {
  readonly kind: 'commit';
  readonly commitLsn: Lsn;
  /** One past the commit record: the only position that may be confirmed. */
  readonly endLsn: Lsn;
  readonly commitTimeUs: number;
}

/** Follows Begin when the transaction was committed under a replication origin. */
export interface OriginMessage {
  readonly kind: 'origin';
  readonly originLsn: Lsn;
  readonly name: string;
}

export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index';

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  /** In the replica identity; under `full` every column is. */
  readonly partOfKey: boolean;
}

/** Describes a table before its first row in this session, and again after it changed. */
export interface RelationMessage {
  readonly kind: 'relation';
  readonly xid: number | null;
  readonly relationOid: number;
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentity: ReplicaIdentity;
  readonly columns: readonly RelationColumn[];
}

/** Names a type that is not built in, before the first relation that uses it. */
export interface TypeMessage {
  readonly kind: 'type';
  readonly xid: number | null;
  readonly typeOid: number;
  readonly schema: string;
  readonly name: string;
}

export interface InsertMessage {
  readonly kind: 'insert';
  readonly xid: number | null;
  readonly relationOid: number;
  readonly values: Tuple;
}

export interface UpdateMessage {
  readonly kind: 'update';
  readonly xid: number | null;
  readonly relationOid: number;
  /** Identity DEFAULT or INDEX, and only when the key changed; columns outside the key read null. */
  readonly oldKey: Tuple | null;
  /** Identity FULL: the whole row as it was. */
  readonly oldValues: Tuple | null;
  readonly values: Tuple;
}

export interface DeleteMessage {
  readonly kind: 'delete';
  readonly xid: number | null;
  readonly relationOid: number;
  /** Exactly one of these is there: FULL sends the row, DEFAULT and INDEX its key. */
  readonly oldKey: Tuple | null;
  readonly oldValues: Tuple | null;
}

export interface TruncateMessage {
  readonly kind: 'truncate';
  readonly xid: number | null;
  readonly relationOids: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

/** pg_logical_emit_message. A non-transactional one stands outside Begin and Commit. */
export interface LogicalMessage {
  readonly kind: 'message';
  readonly xid: number | null;
  readonly transactional: boolean;
  /** One past its own record: what pg_logical_emit_message returned to the caller. */
  readonly lsn: Lsn;
  readonly prefix: string;
  /** A copy: the caller's buffer may be reused. */
  readonly content: Uint8Array;
}

/** Protocol 2: large transactions sent before they committed, in blocks. */
export type StreamMessage =
  | { readonly kind: 'streamStart'; readonly xid: number; readonly firstSegment: boolean }
  | { readonly kind: 'streamStop' }
  | {
      readonly kind: 'streamCommit';
      readonly xid: number;
      readonly commitLsn: Lsn;
      readonly endLsn: Lsn;
      readonly commitTimeUs: number;
    }
  | {
      readonly kind: 'streamAbort';
      readonly xid: number;
      readonly subtransactionXid: number;
      /** Only when the client asked for `streaming 'parallel'` (protocol 4). */
      readonly abort: { readonly lsn: Lsn; readonly timeUs: number } | null;
    };

/** Protocol 3: two-phase commit. */
export type PreparedMessage =
  | {
      readonly kind: 'beginPrepare' | 'prepare' | 'streamPrepare';
      readonly prepareLsn: Lsn;
      readonly endLsn: Lsn;
      readonly prepareTimeUs: number;
      readonly xid: number;
      readonly gid: string;
    }
  | {
      readonly kind: 'commitPrepared';
      readonly commitLsn: Lsn;
      readonly endLsn: Lsn;
      readonly commitTimeUs: number;
      readonly xid: number;
      readonly gid: string;
    }
  | {
      readonly kind: 'rollbackPrepared';
      readonly prepareEndLsn: Lsn;
      readonly rollbackEndLsn: Lsn;
      readonly prepareTimeUs: number;
      readonly rollbackTimeUs: number;
      readonly xid: number;
      readonly gid: string;
    };
