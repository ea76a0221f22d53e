import { insertValues, patchAssignments } from '#gateway/compile/assignments.ts';
import type { DerivedKey } from '#gateway/compile/assignments.ts';
import { filterSql } from '#gateway/compile/filter-sql.ts';
import type { Input } from '#gateway/compile/input.ts';
import { argumentText, keyCondition } from '#gateway/compile/root-field.ts';
import { rowScope } from '#gateway/compile/row-scope.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import { badInput } from '#gateway/compile/statement.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import type { TableModel, UniqueModel } from '#gateway/model/schema-model.ts';
import type { WriteMeaning } from '#gateway/schema/field-meaning.ts';
import { quoteName } from '#gateway/pg/sql-text.ts';

/** A change as SQL, up to its RETURNING. */
export interface WriteSql {
  /** Common table expressions that it needs, each ending in a comma. */
  readonly before: string;
  readonly sql: string;
  /** A column that raises when more rows are meant than `atMost`; null when there is no such limit. */
  readonly guard: string | null;
  /** The alias that RETURNING may speak of. */
  readonly alias: string;
}

export function writeSql(
  selected: Selected,
  write: WriteMeaning,
  derived: DerivedKey | null,
  compilation: Compilation,
): WriteSql {
  switch (write.action) {
    case 'create':
    case 'upsert':
      return insertSql(selected, write, derived, compilation);
    case 'update':
      return updateSql(selected, write, compilation);
    case 'delete':
      return deleteSql(selected, write, compilation);
    default:
      return write.action satisfies never;
  }
}

function required(selected: Selected, name: string): Input {
  const input = selected.arguments.get(name);
  if (input === undefined) throw badInput(`${selected.key}: ${name} is missing.`);
  return input;
}

function insertSql(
  selected: Selected,
  { table, action, many }: WriteMeaning,
  derived: DerivedKey | null,
  compilation: Compilation,
): WriteSql {
  const inputs = many ? required(selected, 'inputs').items() : [required(selected, 'input')];
  if (inputs.length > compilation.limits.maxRows) {
    throw badInput(`${selected.key}: at most ${compilation.limits.maxRows} rows at a time.`);
  }
  const alias = compilation.alias();
  const { columns, rows } = insertValues(table, inputs, derived, compilation);
  const names = columns.map((column) => column.sqlName).join(', ');
  const into = `INSERT INTO ${table.sqlName} AS ${alias}`;
  const conflict = action === 'upsert' ? conflictSql(selected, table, columns) : '';
  if (inputs.length === 0) {
    return { before: '', sql: `${into} SELECT WHERE false`, guard: null, alias };
  }
  if (columns.length === 0) {
    if (inputs.length > 1) throw badInput(`${selected.key}: empty rows one at a time.`);
    return { before: '', sql: `${into} DEFAULT VALUES${conflict}`, guard: null, alias };
  }
  const sql = `${into} (${names}) VALUES ${rows.join(', ')}${conflict}`;
  return { before: '', sql, guard: null, alias };
}

/** On a key that is there: the other given columns are set; with none, the row is only answered. */
function conflictSql(selected: Selected, table: TableModel, given: TableModel['columns']): string {
  const chosen = selected.arguments.get('onConflict')?.value as UniqueModel | undefined | null;
  const target = chosen ?? table.uniques[0];
  if (target === undefined) throw badInput(`${selected.key}: the table has no key to meet.`);
  const others = given.filter((column) => {
    return column.can.update && !target.columns.includes(column) && !table.key.includes(column);
  });
  const [first] = target.columns;
  const set = others.length === 0 && first !== undefined ? [first] : others;
  const names = target.columns.map((column) => column.sqlName).join(', ');
  const values = set.map(({ sqlName }) => `${sqlName} = EXCLUDED.${sqlName}`).join(', ');
  return ` ON CONFLICT (${names}) DO UPDATE SET ${values}`;
}

function updateSql(
  selected: Selected,
  { table, many }: WriteMeaning,
  compilation: Compilation,
): WriteSql {
  const alias = compilation.alias();
  const assignments = patchAssignments(table, required(selected, 'set'), alias, compilation);
  if (assignments.length === 0) throw badInput(`${selected.key}: set is empty.`);
  const set = assignments.map(({ column, sql }) => `${column.sqlName} = ${sql}`).join(', ');
  const head = `UPDATE ${table.sqlName} AS ${alias} SET ${set}`;
  if (many) return boundedSql(selected, table, alias, head, compilation);
  const condition = keyCondition(table.key, (column) => argumentText(selected, column));
  const where = condition(rowScope(table, alias), compilation);
  return { before: '', sql: `${head} WHERE ${where}`, guard: null, alias };
}

function deleteSql(
  selected: Selected,
  { table, many }: WriteMeaning,
  compilation: Compilation,
): WriteSql {
  const alias = compilation.alias();
  const head = `DELETE FROM ${table.sqlName} AS ${alias}`;
  if (many) return boundedSql(selected, table, alias, head, compilation);
  const condition = keyCondition(table.key, (column) => argumentText(selected, column));
  const where = condition(rowScope(table, alias), compilation);
  return { before: '', sql: `${head} WHERE ${where}`, guard: null, alias };
}

/**
 * Looks for one row more than allowed, locking what it finds, and changes those. PostgreSQL has no
 * expression that raises an error; an invalid bucket count does, under a state that nothing else has.
 */
function boundedSql(
  selected: Selected,
  table: TableModel,
  alias: string,
  head: string,
  compilation: Compilation,
): WriteSql {
  const atMost = required(selected, 'atMost');
  compilation.checks.push((now) => {
    const value = Number(atMost.read(now));
    const { maxRows } = compilation.limits;
    if (value < 0 || value > maxRows)
      throw badInput(`atMost is ${value}; it may be 0 to ${maxRows}.`);
  });
  const limit = compilation.parameter((now) => String(atMost.read(now)), 'int8');
  const found = compilation.alias();
  const scope = rowScope(table, found);
  const filter = filterSql(required(selected, 'where'), scope, compilation);
  const key = table.key.map((column) => column.sqlName);
  const keys = key.map((name) => `${found}.${name}`).join(', ');
  const join = key.map((name) => `${alias}.${name} = meant.${name}`).join(' AND ');
  return {
    before: `meant AS MATERIALIZED (SELECT ${keys} FROM ${table.sqlName} ${found} WHERE ${filter} LIMIT ${limit} + 1 FOR UPDATE), `,
    sql: `${head} ${head.startsWith('DELETE') ? 'USING' : 'FROM'} meant WHERE ${join} AND (SELECT count(*) FROM meant) <= ${limit}`,
    guard: `width_bucket(1::float8, 1::float8, 2::float8, CASE WHEN (SELECT count(*) FROM meant) > ${limit} THEN 0 ELSE 1 END)`,
    alias,
  };
}

export function returningSql(alias: string, columns: ReadonlySet<string>): string {
  const names = [...columns].map((column) => `${alias}.${quoteName(column)}`);
  return ` RETURNING ${names.length === 0 ? 'true AS there' : names.join(', ')}`;
}
