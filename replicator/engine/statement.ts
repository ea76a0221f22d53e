import type { ConflictKind } from '#conflict/conflict-sink.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';

/**
 * Every statement the engine can ask of its database: data, not SQL. The PostgreSQL adapter renders
 * them, the simulator executes them, and one contract suite holds both to the same outcomes.
 */
export type Statement =
  | BeginStatement
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  | AdvanceVectorStatement
  | { readonly kind: 'enterOrigin' }
  | { readonly kind: 'leaveOrigin' }
  | { readonly kind: 'savepoint' }
  | { readonly kind: 'rollbackToSavepoint' }
  | UpdateRowsStatement
  | InsertRowsStatement
  | DeleteRowsStatement
  | LockRowsStatement
  | LockTableStatement
  | TruncateStatement
  | WriteConflictsStatement
  | ForgetConflictsStatement
  | WithdrawConflictsStatement
  | WriteQuarantineStatement
  | ClearQuarantineStatement
  | FindRivalsStatement
  | EmitVerdictStatement
  | FindOrphansStatement
  | { readonly kind: 'readSnapshot' }
  | EmitMarkStatement
  | { readonly kind: 'readState' }
  | { readonly kind: 'readQuarantine' }
  | ReadSettingsStatement
  | SaveCheckpointStatement
  | ResetSpillStatement
  | SpillStatement
  | LoadSpillStatement;

/** Statements on Everywrite's own records. */
export type RecordStatement = Extract<
  Statement,
  {
    readonly kind:
      | 'writeConflicts'
      | 'forgetConflicts'
      | 'withdrawConflicts'
      | 'writeQuarantine'
      | 'clearQuarantine'
      | 'readQuarantine'
      | 'saveCheckpoint'
      | 'resetSpill'
      | 'spill'
      | 'loadSpill';
  }
>;

export interface BeginStatement {
  readonly kind: 'begin';
  /** Below the server's deadlock_timeout, so that apply gives way and never the application. */
  readonly lockTimeoutMs: number;
}

/**
 * The marker: compare-and-set of the applied-vector row, first in every apply transaction. Result
 * `advanced` with count 0 means that another applier was here (VECTOR_FENCED).
 */
export interface AdvanceVectorStatement {
  readonly kind: 'advanceVector';
  readonly expectedGeneration: number;
  readonly vector: string;
  readonly hlc: number;
}

/** Row versions that the index knows: everything below the horizon, our own, or the key's last captured. */
export interface Guard {
  /** 32-bit transaction id; row versions with an older xmin are known. Null: none is. */
  readonly horizonXid: number | null;
  /** 32-bit ids of apply's own recent transactions. */
  readonly ownXids: readonly number[];
}

export interface UpdateRowsStatement {
  readonly kind: 'updateRows';
  readonly relation: Relation;
  /** Positions in `relation.columns` that some row writes. */
  readonly columns: readonly number[];
  readonly rows: readonly RowUpdate[];
  /** Null: the rows are locked and fenced already. */
  readonly guard: Guard | null;
}

export interface RowUpdate {
  readonly key: RowKey;
  /** Last captured local transaction id of this key (32-bit), or null. */
  readonly knownXid: number | null;
  /** Per entry of `columns`: untouched, an assignment, or an amount to add. */
  readonly writes: readonly ColumnWrite[];
}

export type ColumnWrite =
  | null
  | { readonly kind: 'set'; readonly value: PgText }
  | { readonly kind: 'add'; readonly amount: string };

/** INSERT … ON CONFLICT (key) DO NOTHING; the count says how many were really inserted. */
export interface InsertRowsStatement {
  readonly kind: 'insertRows';
  readonly relation: Relation;
  /** Values in the order of `relation.columns`. */
  readonly rows: readonly (readonly PgText[])[];
}

export interface DeleteRowsStatement {
  readonly kind: 'deleteRows';
  readonly relation: Relation;
  readonly rows: readonly { readonly key: RowKey; readonly knownXid: number | null }[];
  readonly guard: Guard | null;
}

/** SELECT … FOR UPDATE; rows that exist and are visible come back in full. */
export interface LockRowsStatement {
  readonly kind: 'lockRows';
  readonly relation: Relation;
  readonly keys: readonly RowKey[];
}

/** Keeps every other writer out of the table until commit. */
export interface LockTableStatement {
  readonly kind: 'lockTable';
  readonly relation: Relation;
}

/** Deletes every row except these keys. */
export interface TruncateStatement {
  readonly kind: 'truncateExcept';
  readonly relation: Relation;
  readonly survivors: readonly RowKey[];
}

/** One side of a conflict as the operator sees it. */
export interface ConflictSide {
  readonly dot: string;
  readonly region: string;
  readonly hlc: number;
  /** How many of the other side's transactions its writer had seen: fewer than the one it met. */
  readonly saw: number;
  /** The value it wrote, or the deleted row as JSON text; null is SQL NULL. */
  readonly value: PgText;
}

export interface ConflictRow {
  readonly relation: string;
  readonly key: string;
  /** Column name, or `*` for the row's existence. */
  readonly column: string;
  readonly kind: ConflictKind;
  readonly winner: ConflictSide;
  readonly loser: ConflictSide;
}

/** Identity of a record: relation, key, column, winner.dot, loser.dot. Both lists are idempotent. */
export interface WriteConflictsStatement {
  readonly kind: 'writeConflicts';
  readonly add: readonly ConflictRow[];
  readonly remove: readonly ConflictRow[];
}

/**
 * Deletes old records: those whose later write is stamped before `beforeHlc`, and the oldest beyond
 * `keepRows`; at most `limit` at once. The result counts them.
 */
export interface ForgetConflictsStatement {
  readonly kind: 'forgetConflicts';
  readonly beforeHlc: number;
  readonly keepRows: number;
  readonly limit: number;
}

/**
 * Deletes the records in which a transaction of `replica` with a sequence beyond `after` takes part. The
 * result counts them.
 */
export interface WithdrawConflictsStatement {
  readonly kind: 'withdrawConflicts';
  readonly replica: string;
  readonly after: number;
}

export interface QuarantineRow {
  readonly relation: string;
  readonly key: string;
  readonly sqlState: string;
  readonly reason: string;
  /** The row that should be there, JSON object of texts; null when it should be absent. */
  readonly wanted: PgText;
}

export interface WriteQuarantineStatement {
  readonly kind: 'writeQuarantine';
  readonly rows: readonly QuarantineRow[];
}

export interface ClearQuarantineStatement {
  readonly kind: 'clearQuarantine';
  readonly rows: readonly { readonly relation: string; readonly key: string }[];
}

/**
 * Rows of the table that keep these out by a UNIQUE index or an exclusion constraint other than the key's,
 * partial, on expressions and deferrable ones included. One result row per constraint and pair.
 */
export interface FindRivalsStatement {
  readonly kind: 'findRivals';
  readonly relation: Relation;
  /** In the order of `relation.columns`. */
  readonly rows: readonly (readonly PgText[])[];
}

export interface RivalRow {
  /** Position in the statement's rows. */
  readonly row: number;
  readonly constraint: string;
  /** The columns that the constraint looks at, those in expressions included. */
  readonly columns: readonly string[];
  readonly values: readonly PgText[];
}

/** Rows, now locked, that refer by a foreign key to rows of `relation` which are no longer there. */
export interface FindOrphansStatement {
  readonly kind: 'findOrphans';
  readonly relation: Relation;
  /** The rows as they were, in the order of `relation.columns`. */
  readonly rows: readonly (readonly PgText[])[];
}

/** What one foreign key has to say about them. */
export interface OrphanGroup {
  readonly constraint: string;
  /** The child's key and the foreign key's columns, no others. */
  readonly relation: Relation;
  /** Positions of the foreign key's columns. */
  readonly referring: readonly number[];
  readonly onDelete: 'no action' | 'cascade' | 'set null' | 'set default';
  readonly rows: readonly {
    /** Position in the statement's rows. */
    readonly parent: number;
    readonly values: readonly PgText[];
    /** The defaults of the foreign key's columns. */
    readonly defaults: readonly PgText[];
  }[];
}

/**
 * A message of this transaction, outside of any origin, that capture turns into an operation of our own
 * with the marker of the same transaction; without such a marker it means nothing, so nobody can forge it.
 */
export interface EmitVerdictStatement {
  readonly kind: 'emitVerdict';
  readonly content: string;
}

/** A flushed logical message that capture meets at this place in the WAL. */
export interface EmitMarkStatement {
  readonly kind: 'emitMark';
  readonly prefix: 'everywrite:mark' | 'everywrite:heartbeat';
  readonly content: string;
}

export interface ReadSettingsStatement {
  readonly kind: 'readSettings';
  readonly id: number;
}

/** What a rebuild needs to know, as vectors in text. */
export interface Checkpoint {
  readonly stable: string;
  /** Where a rebuild begins to fold: at or below `stable`. Logs are trimmed below it only. */
  readonly foldFrom: string;
}

/** Compare-and-set, like the marker; count 0 means that another replicator was here. */
export interface SaveCheckpointStatement {
  readonly kind: 'saveCheckpoint';
  readonly expected: Checkpoint;
  readonly next: Checkpoint;
}

/** Empties the spill: of one owner, or of everybody (null) by who has just taken the slot. */
export interface ResetSpillStatement {
  readonly kind: 'resetSpill';
  readonly owner: string | null;
}

export interface SpillStatement {
  readonly kind: 'spill';
  /** The incarnation whose index this is; nobody else sees the rows. */
  readonly owner: string;
  readonly rows: readonly SpilledKey[];
}

export interface SpilledKey {
  readonly relation: string;
  readonly key: string;
  readonly state: Uint8Array;
}

/** Reads and removes: these keys, or everything of a table. */
export interface LoadSpillStatement {
  readonly kind: 'loadSpill';
  readonly owner: string;
  readonly keys: readonly { readonly relation: string; readonly key: string }[] | null;
  /** Relation id, when `keys` is null. */
  readonly table: string | null;
}

/** pg_current_snapshot(), 64-bit ids as PostgreSQL prints them. */
export interface Snapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly inProgress: readonly bigint[];
}

export interface LockedRow {
  readonly key: RowKey;
  /** 32-bit xmin of the locked version. */
  readonly xmin: number;
  /** In the order of the relation's columns in the statement; a column missing in the table is null. */
  readonly values: readonly PgText[];
}

/** What everywrite's tables say about this region. */
export interface RegionState {
  readonly region: string;
  readonly epoch: number;
  readonly generation: number;
  readonly vector: string;
  readonly hlc: number;
  /** Settings in effect where the slot begins. */
  readonly initialSettings: number;
  readonly stable: string;
  readonly foldFrom: string;
  readonly serverVersion: number;
  readonly confirmedFlushLsn: string | null;
  /** System identifier and timeline are those that this region was prepared with. */
  readonly sameServer: boolean;
  readonly walLsn: string;
}

export type StatementResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'count'; readonly count: number }
  /** `xid` is apply's own 32-bit transaction id, `snapshotXmin` was read in the same statement. */
  | {
      readonly kind: 'advanced';
      readonly count: number;
      readonly xid: number;
      readonly snapshotXmin: bigint;
    }
  | { readonly kind: 'locked'; readonly rows: readonly LockedRow[] }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'state'; readonly state: RegionState }
  | { readonly kind: 'orphans'; readonly groups: readonly OrphanGroup[] }
  | { readonly kind: 'rivals'; readonly rows: readonly RivalRow[] }
  | { readonly kind: 'quarantined'; readonly rows: readonly QuarantineRow[] }
  | { readonly kind: 'settings'; readonly value: string | null }
  | { readonly kind: 'spilled'; readonly rows: readonly SpilledKey[] };
