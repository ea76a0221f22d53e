import { GraphQLFloat, GraphQLNonNull, GraphQLObjectType } from 'graphql';
import type { GraphQLFieldConfigMap, GraphQLOutputType } from 'graphql';
import type { ColumnModel, TableModel } from '#gateway/model/schema-model.ts';
import type { ScalarType } from '#gateway/model/value-type.ts';
import { meaning } from '#gateway/schema/field-meaning.ts';
import type { AggregateName } from '#gateway/schema/field-meaning.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';
import { upperFirst } from '#gateway/naming/names.ts';

const FUNCTIONS: readonly AggregateName[] = ['sum', 'avg', 'min', 'max'];
const NUMBERS = ['integer', 'bigint', 'decimal', 'float'];

/** `UserAggregates { count sum { … } avg { … } min { … } max { … } }`. */
export function aggregatesType(table: TableModel, book: TypeBook): GraphQLObjectType {
  const name = `${table.typeName}Aggregates`;
  return book.once(name, () => {
    const fields: GraphQLFieldConfigMap<unknown, unknown> = {
      count: {
        type: new GraphQLNonNull(book.scalar('BigInt')),
        ...meaning({ kind: 'aggregateCount' }),
      },
    };
    for (const fn of FUNCTIONS) {
      const type = groupType(table, fn, book);
      if (type === null) continue;
      fields[fn] = {
        type: new GraphQLNonNull(type),
        ...meaning({ kind: 'aggregateGroup', function: fn }),
      };
    }
    return new GraphQLObjectType({ name, fields });
  });
}

function groupType(table: TableModel, fn: AggregateName, book: TypeBook): GraphQLObjectType | null {
  const columns = table.columns.filter((column) => aggregated(column, fn) !== null);
  if (columns.length === 0) return null;
  const name = `${table.typeName}${upperFirst(fn)}Aggregates`;
  return book.once(name, () => {
    const fields = columns.map((column) => [
      column.field,
      { type: resultType(column, fn, book), ...meaning({ kind: 'aggregateValue', column }) },
    ]);
    return new GraphQLObjectType({
      name,
      fields: Object.fromEntries(fields) as GraphQLFieldConfigMap<unknown, unknown>,
    });
  });
}

/** What an aggregate of a column gives: a wider number, so that nothing overflows. */
export type AggregateResult = 'bigint' | 'decimal' | 'float' | 'own';

export function aggregated(column: ColumnModel, fn: AggregateName): AggregateResult | null {
  const { type } = column;
  if (type.kind !== 'scalar') return null;
  if (fn === 'min' || fn === 'max') return comparable(type) ? 'own' : null;
  if (!NUMBERS.includes(type.family)) return null;
  if (type.family === 'float') return 'float';
  return fn === 'sum' && type.family === 'integer' ? 'bigint' : 'decimal';
}

// min() and max() exist for these, not for every type with an order (uuid, boolean and ranges have none).
const COMPARABLE = ['String', 'DateTime', 'LocalDateTime', 'Date', 'Time', 'TimeTz', 'Interval'];

function comparable(type: ScalarType): boolean {
  return NUMBERS.includes(type.family) || COMPARABLE.includes(type.name);
}

function resultType(column: ColumnModel, fn: AggregateName, book: TypeBook): GraphQLOutputType {
  const result = aggregated(column, fn);
  if (result === 'bigint') return book.scalar('BigInt');
  if (result === 'decimal') return book.scalar('Decimal');
  return result === 'float' ? GraphQLFloat : book.output(column.type);
}
