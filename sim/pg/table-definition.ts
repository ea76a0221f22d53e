import type { PgText } from '#core/relation.ts';

export interface ColumnDefinition {
  readonly name: string;
  /** `int`, `numeric(10,2)`, `text`, … */
  readonly type: string;
  readonly notNull?: boolean;
  readonly default?: PgText;
  /** Stored generated: `name * factor`, which is all that is needed to have one. */
  readonly generated?: { readonly column: string; readonly factor: number };
}

export type ForeignKeyAction = 'no action' | 'restrict' | 'cascade' | 'set null';

export interface ForeignKeyDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly references: { readonly schema: string; readonly name: string };
  readonly onDelete: ForeignKeyAction;
}

/** `column operator value`, compared as numbers. */
export interface CheckDefinition {
  readonly name: string;
  readonly column: string;
  readonly operator: '>' | '>=' | '<' | '<=' | '<>';
  readonly value: number;
}

export interface TableDefinition {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDefinition[];
  /** The primary key, in key order. */
  readonly key: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly foreignKeys?: readonly ForeignKeyDefinition[];
  readonly checks?: readonly CheckDefinition[];
  readonly replicaIdentity?: 'full' | 'default' | 'nothing';
  readonly unlogged?: boolean;
}
