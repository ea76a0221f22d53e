import { createHash } from 'node:crypto';
import type { Input } from '#gateway/compile/input.ts';
import { badInput } from '#gateway/compile/statement.ts';
import type { Compilation, ParameterText } from '#gateway/compile/statement.ts';
import { leafText } from '#gateway/compile/leaf-text.ts';
import { textOf } from '#gateway/compile/value-sql.ts';
import type { ColumnModel, TableModel } from '#gateway/model/schema-model.ts';
import { columnOf } from '#gateway/model/schema-model.ts';
import { mergesByInput } from '#gateway/schema/merge-inputs.ts';

/** A column and the SQL of its new value. */
export interface Assignment {
  readonly column: ColumnModel;
  readonly sql: string;
}

/** The values of a new row; null among them means the column's default. */
export function insertValues(
  table: TableModel,
  inputs: readonly Input[],
  derived: DerivedKey | null,
  compilation: Compilation,
): { readonly columns: readonly ColumnModel[]; readonly rows: readonly string[] } {
  const given = table.columns.filter((column) => {
    const own = derived !== null && table.key[0] === column;
    return own || inputs.some((input) => input.field(column.field) !== undefined);
  });
  const rows = inputs.map((input, at) => {
    const values = given.map((column) => {
      const value = input.field(column.field);
      if (value !== undefined) return plainValue(column, value, compilation);
      if (derived === null || table.key[0] !== column) return 'DEFAULT';
      return compilation.parameter(derived(at), column.type.sqlType);
    });
    return `(${values.join(', ')})`;
  });
  return { columns: given, rows };
}

/** The key of the n-th new row, where an operation id decides it. */
export type DerivedKey = (at: number) => ParameterText;

/** A UUID (version 5) of an operation id and a place in it: the same in every region. */
export function derivedUuid(operationId: string, at: number): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(operationId.replaceAll('-', ''), 'hex'))
    .update(String(at))
    .digest();
  const hex = bytes.toString('hex');
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `${variant}${hex.slice(18, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

function plainValue(column: ColumnModel, input: Input, compilation: Compilation): string {
  return compilation.parameter((now) => textOf(column.type, input.read(now)), column.type.sqlType);
}

/** What an update sets; columns that merge are told what is meant, not what results. */
export function patchAssignments(
  table: TableModel,
  patch: Input,
  alias: string,
  compilation: Compilation,
): readonly Assignment[] {
  return patch.entries().map(([name, input]) => {
    const column = columnOf(table, name);
    if (column === undefined) throw badInput(`There is no field ${name}.`);
    if (!mergesByInput(column)) return { column, sql: plainValue(column, input, compilation) };
    if (input.value === null) throw badInput(`${name} cannot be null; leave it out.`);
    return { column, sql: mergeSql(column, input, `${alias}.${column.sqlName}`, compilation) };
  });
}

function mergeSql(
  column: ColumnModel,
  input: Input,
  own: string,
  compilation: Compilation,
): string {
  switch (column.merge) {
    case 'counter':
      return counterSql(column, input, own, compilation);
    case 'set':
      return setSql(column, input, own, compilation);
    case 'map':
      return mapSql(input, own, compilation);
    case 'text':
      return textSql(input, own, compilation);
    case 'lww':
    case 'other':
      throw new Error(`${column.field} takes plain values`);
    default:
      return column.merge satisfies never;
  }
}

function counterSql(
  column: ColumnModel,
  input: Input,
  own: string,
  compilation: Compilation,
): string {
  const [[name, amount] = []] = input.entries();
  if (amount === undefined || amount.value === null) {
    throw badInput(`${column.field} needs an amount.`);
  }
  return `${own} ${name === 'increment' ? '+' : '-'} ${plainValue(column, amount, compilation)}`;
}

/** What stays keeps its place; what is added and not there yet comes after it. */
function setSql(column: ColumnModel, input: Input, own: string, compilation: Compilation): string {
  const list = (name: string): string | null => {
    const part = input.field(name);
    return part === undefined || part.value === null ? null : plainValue(column, part, compilation);
  };
  const [add, remove] = [list('add'), list('remove')];
  const { sqlType } = column.type;
  const present = `coalesce(${own}, '{}'::${sqlType})`;
  const kept =
    remove === null
      ? present
      : `ARRAY(SELECT k.v FROM unnest(${present}) WITH ORDINALITY k(v, at) WHERE k.v <> ALL (${remove}) ORDER BY k.at)`;
  if (add === null) return `(${kept})::${sqlType}`;
  const added = `ARRAY(SELECT n.v FROM (SELECT DISTINCT ON (a.v) a.v, a.at FROM unnest(${add}) WITH ORDINALITY a(v, at)) n WHERE n.v <> ALL (${present}) ORDER BY n.at)`;
  return `(${kept} || ${added})::${sqlType}`;
}

function mapSql(input: Input, own: string, compilation: Compilation): string {
  const [set, unset] = [input.field('set'), input.field('unset')];
  let sql = `coalesce(${own}, '{}'::jsonb)`;
  if (unset !== undefined && unset.value !== null) {
    const keys = compilation.parameter((now) => {
      const names = unset.read(now);
      return Array.isArray(names)
        ? `{${names.map((name) => JSON.stringify(name)).join(',')}}`
        : '{}';
    }, 'text[]');
    sql = `(${sql} - ${keys})`;
  }
  if (set === undefined || set.value === null) return sql;
  compilation.checks.push((now) => {
    if (!leafText(set.read(now)).startsWith('{')) throw badInput('set must be an object.');
  });
  return `(${sql} || ${compilation.parameter((now) => leafText(set.read(now)), 'jsonb')})`;
}

function textSql(input: Input, own: string, compilation: Compilation): string {
  const replace = input.field('replace');
  if (replace !== undefined) {
    return compilation.parameter((now) => textOf(TEXT, replace.read(now)), 'text');
  }
  const splices = input.field('splice')?.items() ?? [];
  return splices.reduce((sql, splice) => {
    const number = (name: string): string => {
      const part = splice.field(name);
      return compilation.parameter((now) => leafText(part?.read(now) ?? 0), 'int4');
    };
    const insert = splice.field('insert');
    const text = compilation.parameter((now) => leafText(insert?.read(now) ?? ''), 'text');
    return `overlay(${sql} placing ${text} from ${number('at')} + 1 for ${number('delete')})`;
  }, `coalesce(${own}, '')`);
}

const TEXT = {
  kind: 'scalar',
  name: 'String',
  sqlType: 'text',
  ordered: true,
  filter: 'text',
  form: 'text',
  sqlForm: 'own',
  family: 'other',
} as const;
