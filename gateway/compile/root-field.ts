import { connectionRows } from '#gateway/compile/connection-rows.ts';
import { connectionSql } from '#gateway/compile/connection-sql.ts';
import type { Input } from '#gateway/compile/input.ts';
import { decodeNodeId } from '#gateway/compile/node-id.ts';
import { orderSql } from '#gateway/compile/order-sql.ts';
import { conditionSql, pageOf } from '#gateway/compile/page.ts';
import { RowColumns } from '#gateway/compile/row-columns.ts';
import { rowScope } from '#gateway/compile/row-scope.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { objectTypeOf, rowsJsonSql } from '#gateway/compile/object-sql.ts';
import { arrayJson } from '#gateway/compile/root-rows.ts';
import type { RootRows } from '#gateway/compile/root-rows.ts';
import { fromWhere, listSql, rowMembers, rowSql } from '#gateway/compile/row-sql.ts';
import { below, select } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation, ParameterText } from '#gateway/compile/statement.ts';
import { jsonSql, textOf } from '#gateway/compile/value-sql.ts';
import type { ColumnModel, FunctionModel, TableModel } from '#gateway/model/schema-model.ts';

/** A root field as rows that Node writes. */
export function rootRows(selected: Selected, compilation: Compilation): RootRows {
  const { means } = selected;
  switch (means?.kind) {
    case 'table': {
      const alias = compilation.alias();
      const scope = rowScope(means.table, alias);
      return means.as === 'list'
        ? listRows(selected, scope, alias, compilation)
        : connectionRows(selected, scope, alias, compilation);
    }
    case 'byKey': {
      const { table, columns } = means;
      const condition = keyCondition(columns, (column) => argumentText(selected, column));
      return oneRow(selected, table, condition, compilation);
    }
    case 'node': {
      const found = nodeTarget(selected, compilation);
      if (found === null) return { sql: null, write: () => 'null' };
      return oneRow(selected, found.table, found.condition, compilation);
    }
    case 'function':
      return functionRows(selected, means.function, compilation);
    default:
      throw new Error(`no root field: ${selected.key}`);
  }
}

/** A root field as one expression of type json, beside others in the same statement. */
export function rootSql(selected: Selected, compilation: Compilation): string {
  const { means } = selected;
  switch (means?.kind) {
    case 'table': {
      const alias = compilation.alias();
      const scope = rowScope(means.table, alias);
      return means.as === 'list'
        ? listSql(selected, scope, alias, null, compilation)
        : connectionSql(selected, scope, alias, null, compilation, rowMembers);
    }
    case 'byKey': {
      const alias = compilation.alias();
      const scope = rowScope(means.table, alias);
      const condition = keyCondition(means.columns, (column) => argumentText(selected, column));
      const from = fromWhere(means.table, alias, condition(scope, compilation));
      return rowSql(selected, scope, from, compilation);
    }
    case 'node': {
      const found = nodeTarget(selected, compilation);
      if (found === null) return 'NULL::json';
      const alias = compilation.alias();
      const scope = rowScope(found.table, alias);
      const from = fromWhere(found.table, alias, found.condition(scope, compilation));
      const members = rowMembers(
        nodeSelection(selected, found.table, compilation),
        scope,
        compilation,
      );
      return `(${rowsJsonSql(members, from)} -> 0)`;
    }
    case 'function':
      return functionSql(selected, means.function, compilation);
    default:
      throw new Error(`no root field: ${selected.key}`);
  }
}

function listRows(
  selected: Selected,
  scope: RowScope,
  alias: string,
  compilation: Compilation,
): RootRows {
  const page = pageOf(selected, scope, null, compilation);
  const columns = new RowColumns();
  const write = compilation.perRow(page.rows, () => {
    const selection = below(compilation.source, objectTypeOf(selected), selected);
    return columns.object(selection, scope, compilation);
  });
  const offset = page.offset === null ? '' : ` OFFSET ${page.offset}`;
  const sql = `SELECT ${columns.sql()} FROM ${scope.table.sqlName} ${alias}${conditionSql(page)}${orderSql(page.terms, scope)} LIMIT ${page.limit}${offset}`;
  return { sql, write: (rows) => arrayJson(rows, write) };
}

type Condition = (scope: RowScope, compilation: Compilation) => string;

/** Equality of key columns with the texts that `textFor` gives. */
export function keyCondition(
  columns: readonly ColumnModel[],
  textFor: (column: ColumnModel, at: number) => ParameterText,
): Condition {
  return (scope, compilation) => {
    const parts = columns.map((column, at) => {
      const value = compilation.parameter(textFor(column, at), column.type.sqlType);
      return `${scope.ref(column.column)} = ${value}`;
    });
    return parts.join(' AND ');
  };
}

export function argumentText(selected: Selected, column: ColumnModel): ParameterText {
  const input = selected.arguments.get(column.field);
  return (variables) => textOf(column.type, input?.read(variables));
}

function oneRow(
  selected: Selected,
  table: TableModel,
  condition: Condition,
  compilation: Compilation,
): RootRows {
  const alias = compilation.alias();
  const scope = rowScope(table, alias);
  const columns = new RowColumns();
  const where = condition(scope, compilation);
  const selection = nodeSelection(selected, table, compilation);
  const write = compilation.perRow(
    () => 1,
    () => columns.object(selection, scope, compilation),
  );
  const sql = `SELECT ${columns.sql()} FROM ${fromWhere(table, alias, where)}`;
  return { sql, write: ([row]) => (row === undefined ? 'null' : write(row)) };
}

/** The fields below, for the type that the row really has. */
function nodeSelection(
  selected: Selected,
  table: TableModel,
  compilation: Compilation,
): readonly Selected[] {
  const { source } = compilation;
  const type = source.schema.getType(table.typeName);
  if (type === undefined || !('getInterfaces' in type)) return [];
  return select(
    source,
    type as Parameters<typeof select>[1],
    selected.nodes.map((node) => node.selectionSet),
  );
}

function nodeTarget(
  selected: Selected,
  compilation: Compilation,
): { readonly table: TableModel; readonly condition: Condition } | null {
  const input: Input | undefined = selected.arguments.get('id');
  const decoded = decodeNodeId(String(input?.value));
  const type = decoded === null ? undefined : compilation.source.schema.getType(decoded.type);
  const table = type?.extensions['everywriteTable'] as TableModel | undefined;
  if (decoded === null || table === undefined || table.typeName !== decoded.type) return null;
  if (table.key.length !== decoded.key.length || table.key.length === 0) return null;
  const condition = keyCondition(table.key, (_, at) => (variables) => {
    return decodeNodeId(String(input?.read(variables)))?.key[at] ?? null;
  });
  return { table, condition };
}

/** The call, in named notation: arguments that are not given take their defaults. */
export function callSql(selected: Selected, of: FunctionModel, compilation: Compilation): string {
  const given = of.arguments.flatMap(({ field, sqlName, type }) => {
    const input = selected.arguments.get(field);
    if (input === undefined) return [];
    const value = compilation.parameter((now) => textOf(type, input.read(now)), type.sqlType);
    return [`${sqlName} => ${value}`];
  });
  return `${of.sqlName}(${given.join(', ')})`;
}

function functionRows(selected: Selected, of: FunctionModel, compilation: Compilation): RootRows {
  if (of.returns.kind !== 'table') {
    const sql = functionSql(selected, of, compilation);
    return { sql: `SELECT ${sql}`, write: ([row]) => row?.[0] ?? 'null' };
  }
  const { alias, scope, from } = functionFrom(selected, of, of.returns.table, compilation);
  const columns = new RowColumns();
  const selection = below(compilation.source, objectTypeOf(selected), selected);
  const rows = of.returnsSet ? compilation.limits.defaultRows : 1;
  const write = compilation.perRow(
    () => rows,
    () => columns.object(selection, scope, compilation),
  );
  const sql = `SELECT ${columns.sql()} FROM ${from(alias)}`;
  if (of.returnsSet) return { sql, write: (answer) => arrayJson(answer, write) };
  return { sql, write: ([row]) => (row === undefined ? 'null' : write(row)) };
}

function functionFrom(
  selected: Selected,
  of: FunctionModel,
  table: TableModel,
  compilation: Compilation,
): { alias: string; scope: RowScope; from: (alias: string) => string } {
  const alias = compilation.alias();
  const call = callSql(selected, of, compilation);
  const { maxRows } = compilation.limits;
  // A function that returns NULL for a row gives a row of NULLs.
  const from = (name: string): string => {
    return of.returnsSet
      ? `${call} ${name} LIMIT ${maxRows}`
      : `${call} ${name} WHERE NOT ${name} IS NULL`;
  };
  return { alias, scope: rowScope(table, alias), from };
}

export function functionSql(
  selected: Selected,
  of: FunctionModel,
  compilation: Compilation,
): string {
  const { returns, returnsSet } = of;
  switch (returns.kind) {
    case 'void':
      return `to_json(${callSql(selected, of, compilation)}::text IS NULL)`;
    case 'value': {
      const call = callSql(selected, of, compilation);
      if (!returnsSet) return `to_json(${jsonSql(returns.type, call)})`;
      const { maxRows } = compilation.limits;
      return `(SELECT coalesce(json_agg(${jsonSql(returns.type, 's.v')}), '[]') FROM (SELECT f.v FROM ${call} f(v) LIMIT ${maxRows}) s)`;
    }
    case 'table': {
      const { alias, scope, from } = functionFrom(selected, of, returns.table, compilation);
      const selection = below(compilation.source, objectTypeOf(selected), selected);
      const rows = returnsSet ? compilation.limits.defaultRows : 1;
      const members = compilation.perRow(
        () => rows,
        () => rowMembers(selection, scope, compilation),
      );
      const list = rowsJsonSql(members, from(alias));
      return returnsSet ? list : `(${list} -> 0)`;
    }
    default:
      return returns satisfies never;
  }
}
