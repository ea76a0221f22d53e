import { objectSql, objectTypeOf, typeNameSql } from '#gateway/compile/object-sql.ts';
import type { Member } from '#gateway/compile/object-sql.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { below } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import { jsonSql } from '#gateway/compile/value-sql.ts';
import type { ColumnModel } from '#gateway/model/schema-model.ts';
import { aggregated } from '#gateway/schema/aggregate-types.ts';
import type { AggregateName } from '#gateway/schema/field-meaning.ts';

/** All aggregates of a connection in one pass over `from`, then put together as an object. */
export function aggregatesSql(
  part: Selected,
  scope: RowScope,
  from: string,
  compilation: Compilation,
): string {
  const values: string[] = [];
  const valued = (sql: string): string => {
    values.push(`${sql} AS v${values.length}`);
    return `a.v${values.length - 1}`;
  };
  const members = below(compilation.source, objectTypeOf(part), part).map((group): Member => {
    const { means, key } = group;
    if (means?.kind === 'aggregateCount') return { key, sql: valued('count(*)::text') };
    if (means?.kind !== 'aggregateGroup') return { key, sql: typeNameSql(group) };
    const inner = below(compilation.source, objectTypeOf(group), group).map((value): Member => {
      if (value.means?.kind !== 'aggregateValue') {
        return { key: value.key, sql: typeNameSql(value) };
      }
      const { column } = value.means;
      return { key: value.key, sql: valued(aggregateSql(column, means.function, scope)) };
    });
    return { key, sql: objectSql(inner) };
  });
  if (values.length === 0) return objectSql(members);
  return `(SELECT ${objectSql(members)} FROM (SELECT ${values.join(', ')} FROM ${from}) a)`;
}

function aggregateSql(column: ColumnModel, name: AggregateName, scope: RowScope): string {
  const call = `${name}(${scope.ref(column.column)})`;
  const result = aggregated(column, name);
  if (result === 'own') return jsonSql(column.type, call);
  return result === 'float' ? call : `${call}::text`;
}
