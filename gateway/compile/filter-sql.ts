import type { Input } from '#gateway/compile/input.ts';
import { rowScope } from '#gateway/compile/row-scope.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { badInput } from '#gateway/compile/statement.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import { leafText } from '#gateway/compile/leaf-text.ts';
import { textOf } from '#gateway/compile/value-sql.ts';
import type { ColumnModel, RelationModel } from '#gateway/model/schema-model.ts';
import { columnOf } from '#gateway/model/schema-model.ts';

/** A filter as a condition. What it does not mention does not restrict; `or: []` matches nothing. */
export function filterSql(filter: Input, scope: RowScope, compilation: Compilation): string {
  const parts = filter.entries().flatMap(([name, input]) => {
    if (input.value === null) {
      throw badInput(`The filter ${name} is null; leave it out, or use {isNull: true}.`);
    }
    return [conditionOf(name, input, scope, compilation)];
  });
  return all(parts);
}

function conditionOf(
  name: string,
  input: Input,
  scope: RowScope,
  compilation: Compilation,
): string {
  switch (name) {
    case 'and':
      return all(input.items().map((item) => filterSql(item, scope, compilation)));
    case 'or': {
      const parts = input.items().map((item) => filterSql(item, scope, compilation));
      return parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`;
    }
    case 'not':
      return `(${filterSql(input, scope, compilation)}) IS NOT TRUE`;
    default: {
      const column = columnOf(scope.table, name);
      if (column !== undefined) return columnSql(column, input, scope, compilation);
      const relation = scope.table.relations.find(({ field }) => field === name);
      if (relation === undefined) throw badInput(`There is no filter ${name}.`);
      return relationSql(relation, input, scope, compilation);
    }
  }
}

function all(parts: readonly string[]): string {
  if (parts.length === 0) return 'true';
  return parts.length === 1 ? (parts[0] ?? 'true') : `(${parts.join(' AND ')})`;
}

function relationSql(
  relation: RelationModel,
  input: Input,
  scope: RowScope,
  compilation: Compilation,
): string {
  const exists = (filter: Input, test: (condition: string) => string): string => {
    const alias = compilation.alias();
    const target = rowScope(relation.target, alias);
    const condition = test(filterSql(filter, target, compilation));
    return `EXISTS (SELECT FROM ${relation.target.sqlName} ${alias} WHERE ${joinSql(relation, scope, target)} AND ${condition})`;
  };
  if (relation.kind === 'one') return exists(input, (condition) => condition);
  return all(
    input.entries().map(([quantifier, filter]) => {
      if (filter.value === null) throw badInput(`${relation.field}.${quantifier} is null.`);
      if (quantifier === 'some') return exists(filter, (condition) => condition);
      if (quantifier === 'none') return `NOT ${exists(filter, (condition) => condition)}`;
      return `NOT ${exists(filter, (condition) => `(${condition}) IS NOT TRUE`)}`;
    }),
  );
}

/** What ties a row to those of a relation. */
export function joinSql(relation: RelationModel, own: RowScope, target: RowScope): string {
  return relation.columns
    .map(([column, other]) => `${target.ref(other.column)} = ${own.ref(column.column)}`)
    .join(' AND ');
}

const COMPARISONS: Readonly<Record<string, string>> = {
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  contains: '@>',
  containedBy: '<@',
  overlaps: '&&',
};

function columnSql(
  column: ColumnModel,
  input: Input,
  scope: RowScope,
  compilation: Compilation,
): string {
  const own = scope.ref(column.column);
  return all(
    input.entries().map(([operator, operand]) => {
      return operatorSql(own, column, operator, operand, compilation);
    }),
  );
}

function operatorSql(
  own: string,
  column: ColumnModel,
  operator: string,
  operand: Input,
  compilation: Compilation,
): string {
  const { type } = column;
  const isNull = operand.value === null;
  const parameter = (): string => {
    return compilation.parameter((now) => textOf(type, operand.read(now)), type.sqlType);
  };
  if (operator === 'eq') return isNull ? `${own} IS NULL` : `${own} = ${parameter()}`;
  if (operator === 'ne') {
    return isNull ? `${own} IS NOT NULL` : `${own} IS DISTINCT FROM ${parameter()}`;
  }
  if (isNull) {
    throw badInput(`${column.field}.${operator} is null; leave it out, or use {isNull: true}.`);
  }
  if (operator === 'isNull') return `${own} IS ${operand.value === true ? '' : 'NOT '}NULL`;
  if (operator === 'in' || operator === 'notIn') {
    const list = compilation.parameter((now) => {
      return textOf({ ...type, kind: 'list', element: type }, operand.read(now));
    }, `${type.sqlType}[]`);
    return `(${own} = ANY(${list}))${operator === 'in' ? '' : ' IS NOT TRUE'}`;
  }
  const comparison = COMPARISONS[operator];
  if (comparison !== undefined) return `${own} ${comparison} ${parameter()}`;
  return textSql(own, operator, operand, compilation);
}

function textSql(own: string, operator: string, operand: Input, compilation: Compilation): string {
  const text = (change: (value: string) => string = (value) => value): string => {
    return compilation.parameter((now) => change(leafText(operand.read(now))), 'text');
  };
  switch (operator) {
    case 'like':
      return `${own} LIKE ${text()}`;
    case 'ilike':
      return `${own} ILIKE ${text()}`;
    case 'startsWith':
      return `${own} LIKE ${text((value) => `${literally(value)}%`)}`;
    case 'endsWith':
      return `${own} LIKE ${text((value) => `%${literally(value)}`)}`;
    case 'includes':
      return `${own} LIKE ${text((value) => `%${literally(value)}%`)}`;
    case 'hasKey':
      return `${own} ? ${text()}`;
    default:
      throw badInput(`There is no operator ${operator}.`);
  }
}

/** For LIKE: its signs stand for themselves. */
function literally(text: string): string {
  return text.replace(/[\\%_]/g, (sign) => `\\${sign}`);
}
