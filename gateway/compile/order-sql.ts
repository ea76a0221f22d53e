import { decodeCursor } from '#gateway/compile/cursor.ts';
import { base64UrlSql } from '#gateway/compile/cursor.ts';
import type { Input } from '#gateway/compile/input.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { badInput } from '#gateway/compile/statement.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import type { TableModel } from '#gateway/model/schema-model.ts';
import type { OrderTerm } from '#gateway/schema/table-types.ts';
import { quoteText } from '#gateway/pg/sql-text.ts';

/** What was asked for, then the primary key: the order is total, so that a cursor is one place. */
export function orderTerms(table: TableModel, orderBy: Input | undefined): readonly OrderTerm[] {
  const asked = orderBy?.items().map((item) => item.value as OrderTerm | null) ?? [];
  const terms = asked.filter((term) => term !== null);
  const first = terms.filter((term, at) => {
    return terms.findIndex((other) => other.column === term.column) === at;
  });
  const rest = table.key
    .filter((column) => !first.some((term) => term.column === column))
    .map((column): OrderTerm => ({ column, direction: 'asc', nulls: 'last' }));
  return [...first, ...rest];
}

export function reversed(terms: readonly OrderTerm[]): readonly OrderTerm[] {
  return terms.map(({ column, direction, nulls }) => ({
    column,
    direction: direction === 'asc' ? 'desc' : 'asc',
    nulls: nulls === 'first' ? 'last' : 'first',
  }));
}

export function orderSql(terms: readonly OrderTerm[], scope: RowScope): string {
  if (terms.length === 0) return '';
  return ` ORDER BY ${terms.map((term) => termSql(term, scope)).join(', ')}`;
}

function termSql({ column, direction, nulls }: OrderTerm, scope: RowScope): string {
  const usual = direction === 'asc' ? 'last' : 'first';
  const where = column.notNull || nulls === usual ? '' : ` NULLS ${nulls.toUpperCase()}`;
  return `${scope.ref(column.column)}${direction === 'asc' ? '' : ' DESC'}${where}`;
}

/** Names the order that a cursor belongs to. */
export function orderName(terms: readonly OrderTerm[]): string {
  return terms
    .map(({ column, direction, nulls }) => {
      const usual = direction === 'asc' ? 'last' : 'first';
      const where = column.notNull || nulls === usual ? '' : nulls === 'first' ? '<' : '>';
      return `${column.field}${direction === 'asc' ? '' : '-'}${where}`;
    })
    .join(',');
}

export function cursorSql(terms: readonly OrderTerm[], scope: RowScope): string {
  const values = terms.map(({ column }) => `${scope.ref(column.column)}::text`);
  return base64UrlSql(`json_build_array(${[quoteText(orderName(terms)), ...values].join(', ')})`);
}

/** Rows that come after the cursor in this order. */
export function afterSql(
  cursor: Input,
  terms: readonly OrderTerm[],
  named: string,
  scope: RowScope,
  compilation: Compilation,
): string {
  const now = decodeCursor(String(cursor.value));
  if (now === null || now.order !== named || now.values.length !== terms.length) {
    throw badInput('This cursor belongs to another list, or to another order of it.');
  }
  const value = (at: number): string => {
    const type = terms[at]?.column.type.sqlType ?? 'text';
    return compilation.parameter((variables) => {
      return decodeCursor(String(cursor.read(variables)))?.values[at] ?? null;
    }, type);
  };
  if (isRowComparison(terms)) {
    const refs = terms.map(({ column }) => scope.ref(column.column));
    const sign = terms[0]?.direction === 'desc' ? '<' : '>';
    return `(${refs.join(', ')}) ${sign} (${terms.map((_, at) => value(at)).join(', ')})`;
  }
  const cases = terms.map((term, at) => {
    const equal = terms.slice(0, at).map(({ column }, before) => {
      const ref = scope.ref(column.column);
      return now.values[before] === null ? `${ref} IS NULL` : `${ref} = ${value(before)}`;
    });
    const ref = scope.ref(term.column.column);
    return `(${[...equal, beyond(term, ref, now.values[at] === null ? null : () => value(at))].join(' AND ')})`;
  });
  return `(${cases.join(' OR ')})`;
}

/** One comparison of rows, which an index can answer. */
function isRowComparison(terms: readonly OrderTerm[]): boolean {
  return terms.every(({ column, direction }) => {
    return column.notNull && direction === terms[0]?.direction;
  });
}

function beyond(term: OrderTerm, ref: string, value: (() => string) | null): string {
  if (value === null) return term.nulls === 'first' ? `${ref} IS NOT NULL` : 'false';
  const sign = term.direction === 'asc' ? '>' : '<';
  const greater = `${ref} ${sign} ${value()}`;
  return term.nulls === 'last' && !term.column.notNull ? `(${greater} OR ${ref} IS NULL)` : greater;
}
