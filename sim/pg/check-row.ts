import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { CheckDefinition } from '#sim/pg/table-definition.ts';
import type { Table } from '#sim/pg/table.ts';

/** The row as the table takes it; throws 22xxx, 23502 and 23514. */
export function checkRow(table: Table, given: readonly PgText[]): readonly PgText[] {
  const { columns, key, checks = [] } = table.definition;
  const values: PgText[] = [];
  for (const [at, column] of columns.entries()) {
    const value = given[at] ?? null;
    if (value !== null) values.push(must(table.types[at], 'type').input(value));
    else if (column.notNull === true || key.includes(column.name)) {
      throw new SqlError(
        '23502',
        `null value in column "${column.name}" of relation "${table.definition.name}" violates not-null constraint`,
      );
    } else values.push(null);
  }
  for (const check of checks) {
    const value = values[table.column(check.column)] ?? null;
    if (value === null || holds(Number(value), check)) continue;
    throw new SqlError(
      '23514',
      `new row for relation "${table.definition.name}" violates check constraint "${check.name}"`,
    );
  }
  return values;
}

function holds(value: number, { operator, value: bound }: CheckDefinition): boolean {
  switch (operator) {
    case '>':
      return value > bound;
    case '>=':
      return value >= bound;
    case '<':
      return value < bound;
    case '<=':
      return value <= bound;
    default:
      return value !== bound;
  }
}
