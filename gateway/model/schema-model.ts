import type { ValueType } from '#gateway/model/value-type.ts';

/** The database as GraphQL will show it: every name decided, nothing of the wire yet. */
export interface SchemaModel {
  /** By type name. */
  readonly tables: ReadonlyMap<string, TableModel>;
  readonly functions: readonly FunctionModel[];
  /** What could not be shown, and what to do about it. */
  readonly problems: readonly string[];
  /** The table that keeps operation ids, if it is there. */
  readonly operations: string | null;
}

export interface TableModel {
  readonly typeName: string;
  /** Fields of Query: `users`, `user`. */
  readonly pluralField: string;
  readonly singularField: string;
  readonly schema: string;
  readonly table: string;
  readonly sqlName: string;
  readonly description: string | null;
  readonly columns: readonly ColumnModel[];
  /** Columns of the primary key; empty when there is none. */
  readonly key: readonly ColumnModel[];
  readonly uniques: readonly UniqueModel[];
  readonly relations: RelationModel[];
  readonly can: Readonly<Record<TableAction, boolean>>;
}

export type TableAction = 'read' | 'create' | 'update' | 'delete' | 'filter' | 'order' | 'many';

export interface ColumnModel {
  readonly field: string;
  readonly column: string;
  readonly sqlName: string;
  readonly type: ValueType;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly description: string | null;
  readonly deprecated: string | null;
  readonly merge: MergeKind;
  readonly can: Readonly<Record<'read' | 'create' | 'update' | 'filter' | 'order', boolean>>;
}

/** How concurrent writes of the column merge; decides which operations an update may say. */
export type MergeKind = 'lww' | 'counter' | 'set' | 'map' | 'text' | 'other';

export interface UniqueModel {
  readonly name: string;
  readonly columns: readonly ColumnModel[];
  /** Query's field for it, such as `userByEmail`; null for the primary key. */
  readonly field: string | null;
  /** Its value in the enum of conflict targets. */
  readonly target: string;
}

export interface RelationModel {
  readonly field: string;
  readonly kind: 'one' | 'many';
  readonly target: TableModel;
  /** Pairs of own column and the target's. */
  readonly columns: readonly (readonly [own: ColumnModel, other: ColumnModel])[];
  /** The own foreign key is NOT NULL and row-level security may still hide the target. */
  readonly description: string | null;
  readonly deprecated: string | null;
}

export interface FunctionModel {
  readonly field: string;
  readonly kind: 'query' | 'mutation';
  readonly sqlName: string;
  readonly arguments: readonly {
    readonly field: string;
    /** The SQL name, quoted, for named notation. */
    readonly sqlName: string;
    readonly type: ValueType;
    readonly optional: boolean;
  }[];
  readonly returns:
    | { readonly kind: 'value'; readonly type: ValueType }
    | { readonly kind: 'table'; readonly table: TableModel }
    | { readonly kind: 'void' };
  readonly returnsSet: boolean;
  readonly description: string | null;
  readonly deprecated: string | null;
}

export function columnOf(table: TableModel, field: string): ColumnModel | undefined {
  return table.columns.find((column) => column.field === field);
}
