import { connectionSql } from '#gateway/compile/connection-sql.ts';
import { joinSql } from '#gateway/compile/filter-sql.ts';
import { nodeIdSql } from '#gateway/compile/node-id.ts';
import {
  objectSql,
  objectTypeOf,
  rowJsonSql,
  rowsJsonSql,
  typeNameSql,
} from '#gateway/compile/object-sql.ts';
import type { Member } from '#gateway/compile/object-sql.ts';
import { orderSql } from '#gateway/compile/order-sql.ts';
import { conditionSql, pageOf } from '#gateway/compile/page.ts';
import { rowScope } from '#gateway/compile/row-scope.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { below } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import { eachSql, jsonSql } from '#gateway/compile/value-sql.ts';
import type { RelationModel, TableModel } from '#gateway/model/schema-model.ts';
import type { ValueType } from '#gateway/model/value-type.ts';
import { quoteName } from '#gateway/pg/sql-text.ts';

/** The members of a row's object. */
export function rowMembers(
  selection: readonly Selected[],
  scope: RowScope,
  compilation: Compilation,
): readonly Member[] {
  return selection.map((selected) => ({
    key: selected.key,
    sql: fieldSql(selected, scope, compilation),
  }));
}

/** A row's field as SQL whose to_json is its value. */
export function fieldSql(selected: Selected, scope: RowScope, compilation: Compilation): string {
  const { means } = selected;
  if (means === null) return typeNameSql(selected);
  switch (means.kind) {
    case 'column': {
      const { type, column } = means.column;
      const value = scope.ref(column);
      return type.kind === 'composite' || isListOfComposite(type)
        ? compositeSql(selected, type, value, compilation)
        : jsonSql(type, value);
    }
    case 'nodeId':
      return nodeIdSql(scope.table, (column) => scope.ref(column));
    case 'relation':
      return relationSql(selected, means.relation, means.as, scope, compilation);
    default:
      throw new Error(`a row has no ${means.kind}`);
  }
}

function isListOfComposite(type: ValueType): boolean {
  return type.kind === 'list' && type.element.kind === 'composite';
}

/** Only the attributes that are asked for, in their order. */
function compositeSql(
  selected: Selected,
  type: ValueType,
  value: string,
  compilation: Compilation,
): string {
  if (type.kind === 'list') {
    const each = eachSql(value, (item) => compositeSql(selected, type.element, item, compilation));
    return `CASE WHEN ${value} IS NOT NULL THEN (${each}) END`;
  }
  const members = below(compilation.source, objectTypeOf(selected), selected).map((inner) => {
    const { means } = inner;
    if (means?.kind !== 'attribute') return { key: inner.key, sql: typeNameSql(inner) };
    const attribute = `(${value}).${quoteName(means.column)}`;
    const sql =
      means.type.kind === 'composite' || isListOfComposite(means.type)
        ? compositeSql(inner, means.type, attribute, compilation)
        : jsonSql(means.type, attribute);
    return { key: inner.key, sql };
  });
  return `CASE WHEN ${value} IS DISTINCT FROM NULL THEN ${objectSql(members)} END`;
}

function relationSql(
  selected: Selected,
  relation: RelationModel,
  as: 'one' | 'connection' | 'list',
  scope: RowScope,
  compilation: Compilation,
): string {
  const alias = compilation.alias();
  const target = rowScope(relation.target, alias);
  const join = joinSql(relation, scope, target);
  if (as === 'connection') {
    return connectionSql(selected, target, alias, join, compilation, rowMembers);
  }
  if (as === 'list') return listSql(selected, target, alias, join, compilation);
  const from = `${relation.target.sqlName} ${alias} WHERE ${join}`;
  return compilation.perRow(one, () => rowSql(selected, target, from, compilation));
}

function one(): number {
  return 1;
}

/** The only row of `from` as an object, or NULL. */
export function rowSql(
  selected: Selected,
  scope: RowScope,
  from: string,
  compilation: Compilation,
): string {
  const selection = below(compilation.source, objectTypeOf(selected), selected);
  const members = rowMembers(selection, scope, compilation);
  return `(SELECT ${rowJsonSql(members, from)})`;
}

/** Rows as a JSON array. */
export function listSql(
  selected: Selected,
  scope: RowScope,
  alias: string,
  join: string | null,
  compilation: Compilation,
): string {
  const page = pageOf(selected, scope, join, compilation);
  const from = `${scope.table.sqlName} ${alias}${conditionSql(page)}${orderSql(page.terms, scope)} LIMIT ${page.limit}${page.offset === null ? '' : ` OFFSET ${page.offset}`}`;
  return compilation.perRow(page.rows, () => {
    const selection = below(compilation.source, objectTypeOf(selected), selected);
    return rowsJsonSql(rowMembers(selection, scope, compilation), from);
  });
}

/** A table's row by a condition on it. */
export function fromWhere(table: TableModel, alias: string, condition: string): string {
  return `${table.sqlName} ${alias} WHERE ${condition}`;
}
