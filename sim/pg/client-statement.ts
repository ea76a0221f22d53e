import type { PgText } from '#core/relation.ts';
import type { Isolation } from '#sim/pg/open-transaction.ts';

/** A row or a part of one, by column name. */
export type ColumnValues = Readonly<Record<string, PgText>>;

/** What an application does in plain SQL, as data. `table` is `schema.name`. */
export type ClientStatement =
  | { readonly kind: 'begin'; readonly isolation?: Isolation; readonly tag?: string }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'savepoint' | 'release' | 'rollbackTo'; readonly name: string }
  | {
      readonly kind: 'insert';
      readonly table: string;
      readonly row: ColumnValues;
      readonly onConflict?: 'nothing';
    }
  /** `add`: SET column = column + amount. */
  | {
      readonly kind: 'update';
      readonly table: string;
      readonly key: ColumnValues;
      readonly set?: ColumnValues;
      readonly add?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'delete'; readonly table: string; readonly key: ColumnValues }
  /** Without `key`: every row. */
  | {
      readonly kind: 'select';
      readonly table: string;
      readonly key?: ColumnValues;
      readonly lock?: 'update' | 'no key update' | 'share' | 'key share';
    }
  | { readonly kind: 'truncate'; readonly table: string }
  | { readonly kind: 'lockTable'; readonly table: string; readonly mode: 'share' | 'exclusive' }
  | { readonly kind: 'setLockTimeout'; readonly ms: number }
  | { readonly kind: 'setOrigin'; readonly origin: string | null }
  | { readonly kind: 'setSynchronousCommit'; readonly on: boolean }
  | {
      readonly kind: 'emitMessage';
      readonly transactional: boolean;
      readonly prefix: string;
      readonly content: string;
    };

export interface ClientRow {
  readonly values: ColumnValues;
  /** 32-bit, as the system column shows it. */
  readonly xmin: number;
}

export interface ClientResult {
  /** Rows written, locked or read. */
  readonly count: number;
  readonly rows: readonly ClientRow[];
  /** After COMMIT of a transaction that wrote: where its commit record is. */
  readonly commitLsn: number | null;
  /** COMMIT of a failed transaction answers ROLLBACK. */
  readonly rolledBack: boolean;
}
