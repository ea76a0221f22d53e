import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { keyParts } from '#core/row-key.ts';
import { quoteIdentifier } from './sql-query.ts';
import type { ReferencingKey } from './referencing-keys.ts';
import type { SqlParameters } from './sql-parameters.ts';
import type { GeneratedColumn, UniqueIndex } from './unique-indexes.ts';

/** A table as this region's catalogue has it, ready to be written into SQL. */
export interface TableShape {
  /** Quoted, with schema. */
  readonly sqlName: string;
  /** By name, in table order. */
  readonly columns: ReadonlyMap<string, ColumnShape>;
  /** The columns of each UNIQUE index and exclusion constraint, those in expressions included. */
  readonly uniqueSets: readonly ReadonlySet<string>[];
  /** The same without the primary key, as conditions on rows. */
  readonly uniqueIndexes: readonly UniqueIndex[];
  readonly generated: readonly GeneratedColumn[];
  /** Foreign keys that point at this table. */
  readonly referencedBy: readonly ReferencingKey[];
}

export interface ColumnShape {
  readonly name: string;
  /** Without type modifier: a cast with one cuts values in silence. */
  readonly type: string;
  /** The array type whose literal carries many values; null when they must travel as text[]. */
  readonly arrayType: string | null;
  readonly generated: boolean;
  /** smallint, integer or bigint, or a domain over one. */
  readonly integer: boolean;
  /** The equality of the unique index on this column: `=`, or `OPERATOR("public".=)` for citext. */
  readonly equals: string;
}

/**
 * Adds the values of one column to the parameters; returns the SQL of one row's value.
 *
 * An array of the column's own type is read by the type's input function, as COPY would. The type is
 * without modifier, because an explicit cast to varchar(3) cuts a longer value in silence where an
 * assignment refuses it (types.pg.test.ts, "too long"). `unnest` flattens arrays and spreads
 * composites, so those travel as text.
 */
export function written(
  parameters: SqlParameters,
  column: ColumnShape,
  values: readonly (string | null)[],
): string {
  if (column.arrayType !== null) return parameters.column(values, column.arrayType);
  return `${parameters.column(values, 'text[]')}::${column.type}`;
}

/** Adds the key columns; returns the condition that joins `t` to `u`. */
export function matchKeys(
  parameters: SqlParameters,
  relation: Relation,
  table: TableShape,
  keys: readonly RowKey[],
): string {
  const columns = keyShapes(relation, table);
  const [only] = columns;
  if (columns.length === 1 && only !== undefined) return equality(parameters, only, keys);
  const parts = keys.map(keyParts);
  const conditions = columns.map((column, at) =>
    equality(
      parameters,
      column,
      parts.map((part) => part[at] ?? null),
    ),
  );
  return conditions.join(' AND ');
}

/** The local columns of the key, in key order. */
export function keyShapes(relation: Relation, table: TableShape): readonly ColumnShape[] {
  return relation.keyColumns.map((position) => {
    const name = relation.columns[position]?.name ?? '';
    const column = table.columns.get(name);
    if (column === undefined) throw missing(relation, '42703', `key column "${name}"`);
    return column;
  });
}

/** What the server would say: refused before it is sent, so the transaction is not aborted by it. */
export function missing(relation: Relation, sqlState: string, what: string): EverywriteError {
  return new EverywriteError({
    code: 'ROW_REFUSED',
    recovery: 'operator',
    sqlState,
    message: `${relationId(relation)}: ${what} does not exist in this region; create it.`,
  });
}

function equality(
  parameters: SqlParameters,
  column: ColumnShape,
  values: readonly (string | null)[],
): string {
  return `t.${quoteIdentifier(column.name)} ${column.equals} ${written(parameters, column, values)}`;
}
