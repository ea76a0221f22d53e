import { isDelta } from '#conflict/column-type.ts';
import { columnType } from '#conflict/column-types.ts';
import { EverywriteError } from '#core/errors.ts';
import type { PgText } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell } from '#core/transaction.ts';
import type { ConflictRecord } from '#deploy/records/conflict-record.ts';
import {
  deleteSql,
  insertSql,
  keyText,
  readRow,
  replicatedTable,
  rowKeyOf,
  updateSql,
} from '#deploy/records/replicated-table.ts';
import type { ReplicatedTable } from '#deploy/records/replicated-table.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';

type Row = Readonly<Record<string, PgText>>;

export interface Restored {
  readonly table: string;
  readonly key: readonly string[];
  readonly outcome: 'written' | 'already there';
  /** The row before and after; null: no row. */
  readonly before: Row | null;
  readonly after: Row | null;
}

/**
 * Writes what lost as an ordinary, new transaction of this region: it has seen the winner, so it is
 * later than it everywhere. Refuses when the row is no longer as the conflict left it, unless `forced`.
 */
export async function restoreConflict(
  client: AdminClient,
  record: ConflictRecord,
  forced: boolean,
): Promise<Restored> {
  const table = await replicatedTable(client, record.table);
  const key = rowKeyOf(record.key);
  await client.execute('BEGIN');
  try {
    const before = await readRow(client, table, key, 'forUpdate');
    const wish =
      record.column === '*'
        ? wishForRow(table, key, record, before, forced)
        : wishForColumn(table, key, record, before, forced);
    const { id } = table;
    if (wish === null) {
      await client.execute('ROLLBACK');
      return { table: id, key: record.key, outcome: 'already there', before, after: before };
    }
    await client.execute(wish);
    const after = await readRow(client, table, key);
    await client.execute('COMMIT');
    return { table: id, key: record.key, outcome: 'written', before, after };
  } catch (error) {
    await client.execute('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** The statement that makes it so; null when it is so. */
function wishForColumn(
  table: ReplicatedTable,
  key: RowKey,
  { column, winner, loser }: ConflictRecord,
  before: Row | null,
  forced: boolean,
): string | null {
  const name = `${table.id} (${keyText(table, key)})`;
  if (before === null) {
    throw refused(
      `${name} does not exist any more, so its ${column} cannot be restored. If its deletion is a ` +
        `conflict too, restore that one first: everywrite conflicts --table ${table.id}`,
    );
  }
  const part = column in before ? null : partOf(column, before);
  if (part !== null) return wishForPart(table, key, part, { winner, loser }, before, forced);
  if (!(column in before)) throw refused(`${table.id} has no column ${column} any more.`);
  const current = before[column] ?? null;
  if (current === loser.value) return null;
  if (current !== winner.value && !forced) {
    throw refused(
      `${column} of ${name} has been changed since: it is ${quoted(current)}, the conflict left ` +
        `${quoted(winner.value)}. --force restores ${quoted(loser.value)} all the same.`,
    );
  }
  return updateSql(table, key, { [column]: loser.value });
}

interface Part {
  readonly column: string;
  readonly path: string;
}

/** `tags/=new`: an element of a set, or a key of an object; null when it begins with no column. */
function partOf(name: string, row: Row): Part | null {
  const columns = Object.keys(row).filter((column) => name.startsWith(`${column}/`));
  const column = columns.toSorted((left, right) => right.length - left.length)[0];
  return column === undefined ? null : { column, path: name.slice(column.length + 1) };
}

function wishForPart(
  table: ReplicatedTable,
  key: RowKey,
  { column, path }: Part,
  { winner, loser }: Pick<ConflictRecord, 'winner' | 'loser'>,
  before: Row,
  forced: boolean,
): string | null {
  const type = columnType(table.columnTypes[column]);
  const current = before[column] ?? null;
  const withPart = (value: PgText): PgText =>
    type.apply(current, { kind: 'patch', writes: [[path, value]], edits: [] });
  const wanted = withPart(loser.value);
  if (wanted === current) return null;
  if (withPart(winner.value) !== current && !forced) {
    throw refused(
      `${path} in ${column} of ${table.id} (${keyText(table, key)}) has been changed since the conflict. ` +
        `--force restores it all the same.`,
    );
  }
  return updateSql(table, key, { [column]: wanted });
}

interface Operation {
  readonly insert?: Row;
  readonly delete?: Row;
  readonly update?: Readonly<Record<string, Cell>>;
  readonly truncate?: boolean;
}

function wishForRow(
  table: ReplicatedTable,
  key: RowKey,
  { winner, loser }: ConflictRecord,
  before: Row | null,
  forced: boolean,
): string | null {
  const lost = JSON.parse(loser.value ?? '{}') as Operation;
  const won = JSON.parse(winner.value ?? '{}') as Operation;
  const name = `${table.id} (${keyText(table, key)})`;
  if (lost.delete !== undefined || lost.truncate === true) {
    return before === null ? null : deleteSql(table, key);
  }
  if (before !== null) {
    if (!forced) {
      throw refused(
        `${name} exists again. --force writes what was lost over it; or restore single columns.`,
      );
    }
    const values = merged(table, before, lost.insert ?? lost.update ?? {});
    return updateSql(table, key, values);
  }
  const image = lost.insert ?? won.delete;
  if (image === undefined) {
    throw refused(
      `What is on record of ${name} is not a whole row (${loser.value ?? ''}): TRUNCATE keeps no image ` +
        `of what it removes. Insert the row by hand, with these values in it.`,
    );
  }
  return insertSql(table, merged(table, image, lost.update ?? {}));
}

/** `image` with the cells of an operation in it, in columns that exist here. */
function merged(
  { relation, columnTypes }: ReplicatedTable,
  image: Row,
  cells: Readonly<Record<string, Cell>>,
): Row {
  const values: Record<string, PgText> = {};
  for (const { name } of relation.columns) {
    if (!(name in image) && !(name in cells)) continue;
    const stored = image[name] ?? null;
    const cell = name in cells ? (cells[name] ?? null) : stored;
    values[name] = isDelta(cell) ? columnType(columnTypes[name]).apply(stored, cell) : cell;
  }
  return values;
}

function quoted(value: PgText): string {
  return value === null ? 'NULL' : JSON.stringify(value);
}

function refused(message: string): EverywriteError {
  return new EverywriteError({ code: 'ROW_REFUSED', recovery: 'operator', message });
}
