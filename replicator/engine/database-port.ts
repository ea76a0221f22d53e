import type { Relation } from '#core/relation.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';

/** `apply` writes user rows as a replica; `control` reads, marks and keeps house. */
export type SessionKind = 'apply' | 'control';

/**
 * One connection. After any rejection the session is unusable and must be closed: a leaked replication
 * origin would hide local writes.
 */
export interface DatabaseSession {
  /**
   * Sends all statements in one flight; results come in order. Rejects with the first failure, an
   * EverywriteError with `sqlState` where PostgreSQL refused (LOCK_TIMEOUT for 55P03 and 40P01,
   * ROW_REFUSED for classes 22, 23 and 42, DATABASE_UNREACHABLE when the connection broke, in which
   * case a commit in the flight may or may not have happened).
   *
   * `tolerate`: a ROW_REFUSED inside this flight resolves to `{kind:'refused'}` instead; used with
   * savepoints.
   */
  flight(statements: readonly Statement[]): Promise<readonly StatementResult[]>;
  /** Like `flight`, for statements between savepoints: a refused row is an answer, not the end of the session. */
  attempt(statements: readonly Statement[]): Promise<AttemptResult>;
  close(): Promise<void>;
}

export type AttemptResult =
  | { readonly kind: 'ok'; readonly results: readonly StatementResult[] }
  | { readonly kind: 'refused'; readonly sqlState: string; readonly reason: string };

export interface Database {
  open(kind: SessionKind): Promise<DatabaseSession>;
  /** The table as this region has it now, or null when it does not exist. Cached until `forget`. */
  localTable(relation: Relation): Promise<LocalTable | null>;
  forget(): void;
  /** Whether apply can run under a replication origin here (PostgreSQL 16+ and the rights). */
  readonly originSupported: boolean;
}

export interface LocalTable {
  /** Column names that can be written, in table order. */
  readonly columns: readonly string[];
  /** Columns that are part of a UNIQUE index other than the key: rewritten together, they may need delete + insert. */
  readonly uniqueColumns: ReadonlySet<string>;
  /** Those of deferrable constraints, which nobody checks while apply writes: it has to look itself. */
  readonly unchecked?: ReadonlySet<string>;
  /** Whether a foreign key points at this table. */
  readonly referenced?: boolean;
}
