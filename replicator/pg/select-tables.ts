import { relationId } from '#core/relation.ts';
import type { TableSettings } from '#core/settings.ts';
import { byCodeUnit } from '#core/version-vector.ts';
import type { ColumnConfig, RowsConfig, TablePatterns } from '#replicator/config.ts';
import { matchesPattern } from '#replicator/config/object-name.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';
import { rowPolicy, unknownTables } from '#replicator/pg/row-policies.ts';
import { columnTypes, unknownColumns } from '#replicator/pg/column-types.ts';
import { quoteIdentifier, quoteTable } from '#replicator/pg/quote.ts';

/** A table that cannot be replicated as it is, and what would change that. */
export interface LeftOutTable {
  readonly table: string;
  readonly reason: string;
  readonly fix: string;
}

export interface TableSelection {
  readonly replicated: readonly SelectedTable[];
  readonly leftOut: readonly LeftOutTable[];
  /** Column types that cannot be: nothing may be changed before these are corrected. */
  readonly problems: readonly ConfigProblem[];
}

export interface SelectedTable {
  readonly table: UserTable;
  readonly settings: TableSettings;
}

/** Which tables are replicated, and how: the catalogue seen through the configuration. */
export function selectTables(
  catalogue: readonly UserTable[],
  patterns: TablePatterns,
  columns: readonly ColumnConfig[],
  rows: readonly RowsConfig[],
): TableSelection {
  const wanted = catalogue.filter((table) => isWanted(table, patterns));
  const replicated: SelectedTable[] = [];
  const leftOut: LeftOutTable[] = [];
  const problems: ConfigProblem[] = [
    ...unknownColumns(catalogue, columns),
    ...unknownTables(catalogue, rows),
  ];
  for (const table of wanted) {
    const obstacle = obstacleOf(table);
    const key = table.primaryKey?.columns;
    if (obstacle !== null || key === undefined) {
      leftOut.push({ table: relationId(table), ...(obstacle ?? noPrimaryKey(table)) });
      continue;
    }
    const types = columnTypes(table, columns);
    problems.push(...types.problems);
    const generated = table.columns.filter((c) => c.generated === 'stored').map(({ name }) => name);
    const policy = rowPolicy(table, rows);
    problems.push(...policy.problems);
    const settings = { key, columns: types.columns, generated };
    const lww = policy.rows === 'lww';
    replicated.push({ table, settings: lww ? settings : { ...settings, rows: policy.rows } });
  }
  return { replicated, leftOut, problems };
}

/** The same tables give the same object, key by key, so that its JSON text can be compared. */
export function settingsTables(
  replicated: readonly SelectedTable[],
): Readonly<Record<string, TableSettings>> {
  const entries = replicated.map(({ table, settings }) => [relationId(table), settings] as const);
  return Object.fromEntries(
    entries
      .toSorted(([left], [right]) => byCodeUnit(left, right))
      .map(([id, { key, columns, generated, ...policy }]) => [
        id,
        { key, columns: sorted(columns), generated, ...policy },
      ]),
  );
}

function isWanted(table: UserTable, patterns: TablePatterns): boolean {
  const covered = (pattern: string): boolean => matchesPattern(pattern, table.schema, table.name);
  return patterns.include.some(covered) && !patterns.exclude.some(covered);
}

type Obstacle = Omit<LeftOutTable, 'table'>;

function obstacleOf(table: UserTable): Obstacle | null {
  const exclude = 'list it under tables.exclude';
  if (table.extension !== null) {
    return { reason: `belongs to extension ${table.extension}`, fix: exclude };
  }
  const unlogged = table.members.find((member) => member.unlogged);
  if (unlogged !== undefined) {
    const fix = `ALTER TABLE ${quoteTable(unlogged)} SET LOGGED;`;
    return { reason: 'is unlogged: its changes are not in the WAL', fix };
  }
  const foreign = table.members.find((member) => member.foreign);
  if (foreign !== undefined) {
    const fix = `ALTER TABLE ${quoteTable(table)} DETACH PARTITION ${quoteTable(foreign)};`;
    return { reason: `has a foreign table, ${relationId(foreign)}, as a partition`, fix };
  }
  if (table.inheritanceChildren) {
    const reason = 'has inheritance children: one statement would write to several tables';
    return { reason, fix: `use partitions, or ${exclude}` };
  }
  return keyObstacle(table) ?? generatedObstacle(table);
}

function keyObstacle(table: UserTable): Obstacle | null {
  const { primaryKey } = table;
  if (primaryKey === null) return noPrimaryKey(table);
  if (primaryKey.deferrable) {
    const constraint = quoteIdentifier(primaryKey.constraint);
    const columns = primaryKey.columns.map(quoteIdentifier).join(', ');
    const reason = 'has a deferrable primary key, which ON CONFLICT cannot use';
    const fix = `ALTER TABLE ${quoteTable(table)} DROP CONSTRAINT ${constraint}, ADD PRIMARY KEY (${columns});`;
    return { reason, fix };
  }
  const loose = table.columns.find(
    (column) => primaryKey.columns.includes(column.name) && !hasOneText(column),
  );
  if (loose === undefined) return null;
  // Rows are found by the text of their key: '1 mon' and '30 days' would be two rows here, one there.
  const reason = `has a key column, ${loose.name}, of type ${loose.type}, in which different texts can be equal`;
  return { reason, fix: 'use a key of another type, such as uuid, bigint or text' };
}

function noPrimaryKey(table: UserTable): Obstacle {
  const reason = 'has no primary key: a row could not be told from its double';
  const candidate = table.columns.some((column) => column.name === 'id') ? '"id"' : null;
  const what = candidate === null ? 'COLUMN everywrite_id uuid DEFAULT gen_random_uuid() ' : '';
  const key = candidate === null ? 'PRIMARY KEY' : `PRIMARY KEY (${candidate})`;
  return { reason, fix: `ALTER TABLE ${quoteTable(table)} ADD ${what}${key};` };
}

function generatedObstacle(table: UserTable): Obstacle | null {
  // Under REPLICA IDENTITY FULL, PostgreSQL 18 answers every UPDATE and DELETE of such a table with 42P10.
  const column = table.columns.find(({ generated }) => generated === 'virtual');
  if (column === undefined) return null;
  const reason = `has a virtual generated column, ${column.name}, which PostgreSQL cannot replicate: UPDATE and DELETE would fail (42P10)`;
  const name = quoteIdentifier(column.name);
  const fix = `ALTER TABLE ${quoteTable(table)} DROP COLUMN ${name}; and add it again as GENERATED ALWAYS AS (…) STORED`;
  return { reason, fix };
}

function hasOneText(column: UserTable['columns'][number]): boolean {
  const composed = ['A', 'C', 'R', 'P'].includes(column.category);
  const loose = ['interval', 'citext', 'jsonb', 'json', 'xml', 'ltree', 'hstore'];
  return column.deterministic && !composed && !loose.includes(column.baseType);
}

function sorted(columns: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(columns);
  return Object.fromEntries(entries.toSorted(([left], [right]) => byCodeUnit(left, right)));
}
