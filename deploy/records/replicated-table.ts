import { EverywriteError } from '#core/errors.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { keyParts, rowKey } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import { nameParts } from '#replicator/config/object-name.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { quoteIdentifier, quoteLiteral, quoteTable } from '#replicator/pg/quote.ts';
import { readLatestSettings } from '#replicator/pg/settings-row.ts';

/** A replicated table as commands about single rows need it. */
export interface ReplicatedTable {
  /** `schema.name`. */
  readonly id: string;
  readonly sqlName: string;
  /** Columns that exist here and can be written, in table order. */
  readonly relation: Relation;
  /** The SQL type of each column, for casts. */
  readonly sqlTypes: readonly string[];
  readonly columnTypes: Readonly<Record<string, string>>;
}

/** Every replicated table's id, as the newest settings have it. */
export async function replicatedTables(client: AdminClient): Promise<readonly string[]> {
  return Object.keys((await readLatestSettings(client))?.tables ?? {});
}

/** The id that a person means by `orders`, `shop.orders` or `"Shop"."Orders"`. */
export async function tableId(client: AdminClient, typed: string): Promise<string> {
  const ids = await replicatedTables(client);
  if (ids.includes(typed)) return typed;
  const parts = nameParts(typed);
  const [schema, name] = parts?.length === 1 ? [undefined, parts[0]] : (parts ?? []);
  const matches = ids.filter((id) =>
    schema === undefined ? id.slice(id.indexOf('.') + 1) === name : id === `${schema}.${name}`,
  );
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1) {
    throw usage(`"${typed}" is in several schemas: ${matches.join(', ')}; name one of them.`);
  }
  const short = ids.map((id) => id.slice(id.indexOf('.') + 1));
  const hint = didYouMean(typed, typed.includes('.') ? ids : short);
  throw usage(`There is no replicated table "${typed}".${hint}`);
}

export async function replicatedTable(client: AdminClient, id: string): Promise<ReplicatedTable> {
  const table = await findTable(client, id);
  if (table !== null) return table;
  throw usage(`Table ${id} is not replicated, or does not exist in this region.`);
}

/** Null when the region lacks the table, as one that refuses rows may. */
export async function findTable(client: AdminClient, id: string): Promise<ReplicatedTable | null> {
  const settings = (await readLatestSettings(client))?.tables[id];
  const at = id.indexOf('.');
  const [schema, name] = [id.slice(0, at), id.slice(at + 1)];
  const columns = await client.select<CatalogueColumn>(COLUMNS, [schema, name]);
  if (settings === undefined || columns.length === 0) return null;
  const names = columns.map((column) => column.name);
  const keyColumns = settings.key.map((key) => names.indexOf(key));
  const described = columns.map(({ name: column, typeOid }) => ({ name: column, typeOid }));
  return {
    id,
    sqlName: quoteTable({ schema, name }),
    relation: { schema, name, columns: described, keyColumns },
    sqlTypes: columns.map(({ type }) => type),
    columnTypes: settings.columns,
  };
}

interface CatalogueColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly type: string;
}

const COLUMNS = `
  SELECT a.attname AS name, a.atttypid::int8 AS "typeOid", format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = ''
  ORDER BY a.attnum`;

/** The key that a person typed, a word per key column, as PostgreSQL prints it. */
export async function typedKey(
  client: AdminClient,
  table: ReplicatedTable,
  words: readonly string[],
): Promise<RowKey> {
  const { relation, sqlTypes } = table;
  const names = keyNames(table);
  if (words.length !== names.length) {
    throw usage(
      `The key of ${table.id} is ${names.join(', ')}: give ${names.length} value(s), not ${words.length}.`,
    );
  }
  const casts = relation.keyColumns.map((at, word) =>
    printed(`${quoteLiteral(words[word] ?? '')}::${sqlTypes[at]}`),
  );
  const [row] = await client
    .select<{ readonly key: readonly string[] }>(`SELECT ARRAY[${casts.join(', ')}]::text[] AS key`)
    .catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw usage(`"${words.join(' ')}" is no key of ${table.id}: ${why}.`);
    });
  const values: PgText[] = relation.columns.map(() => null);
  relation.keyColumns.forEach((at, word) => (values[at] = row?.key[word] ?? null));
  return rowKey(relation, values);
}

/** A key whose parts are in canonical form already, as those on record are. */
export function rowKeyOf(parts: readonly string[]): RowKey {
  return parts.join('\u0000') as RowKey;
}

export function keyNames({ relation }: ReplicatedTable): readonly string[] {
  return relation.keyColumns.map((at) => relation.columns[at]?.name ?? '');
}

/** `id = 7, lang = 'de'`, for people. */
export function keyText(table: ReplicatedTable, key: RowKey): string {
  const parts = keyParts(key);
  return keyNames(table)
    .map((name, at) => `${name} = ${parts[at] ?? ''}`)
    .join(', ');
}

/** The condition that finds a row by its key. */
export function keyCondition(table: ReplicatedTable, key: RowKey): string {
  const parts = keyParts(key);
  return keyNames(table)
    .map((name, at) => `${quoteIdentifier(name)} = ${quoteLiteral(parts[at] ?? '')}`)
    .join(' AND ');
}

/** A row by column name, as text; null when there is none. `forUpdate` keeps others out until commit. */
export async function readRow(
  client: AdminClient,
  table: ReplicatedTable,
  key: RowKey,
  lock: 'forUpdate' | 'look' = 'look',
): Promise<Readonly<Record<string, PgText>> | null> {
  const pairs = table.relation.columns.map(
    ({ name }) => `${quoteLiteral(name)}, ${printed(quoteIdentifier(name))}`,
  );
  const locked = lock === 'forUpdate' ? ' FOR UPDATE' : '';
  const [found] = await client.select<{ readonly row: Readonly<Record<string, PgText>> }>(
    `SELECT json_object(ARRAY[${pairs.join(', ')}]::text[]) AS row FROM ${table.sqlName} ` +
      `WHERE ${keyCondition(table, key)}${locked}`,
  );
  return found?.row ?? null;
}

export function updateSql(
  table: ReplicatedTable,
  key: RowKey,
  values: Readonly<Record<string, PgText>>,
): string {
  const set = Object.entries(values).map(
    ([name, value]) => `${quoteIdentifier(name)} = ${literal(value)}`,
  );
  return `UPDATE ${table.sqlName} SET ${set.join(', ')} WHERE ${keyCondition(table, key)}`;
}

export function insertSql(
  table: ReplicatedTable,
  values: Readonly<Record<string, PgText>>,
): string {
  const names = Object.keys(values).map(quoteIdentifier);
  const list = Object.values(values).map(literal);
  return (
    `INSERT INTO ${table.sqlName} (${names.join(', ')}) OVERRIDING SYSTEM VALUE ` +
    `VALUES (${list.join(', ')})`
  );
}

export function deleteSql(table: ReplicatedTable, key: RowKey): string {
  return `DELETE FROM ${table.sqlName} WHERE ${keyCondition(table, key)}`;
}

// An untyped literal is read by the column's own input function, and a value that is too long is refused.
function literal(value: PgText): string {
  return value === null ? 'NULL' : quoteLiteral(value);
}

// By the type's output function, as the log has it: a cast to text prints `true` for `t`.
function printed(expression: string): string {
  return `CASE WHEN num_nulls(${expression}) = 0 THEN format('%s', ${expression}) END`;
}

function usage(message: string): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message });
}
