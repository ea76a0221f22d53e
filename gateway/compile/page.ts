import { filterSql } from '#gateway/compile/filter-sql.ts';
import type { Input } from '#gateway/compile/input.ts';
import { afterSql, orderName, orderTerms, reversed } from '#gateway/compile/order-sql.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import { badInput } from '#gateway/compile/statement.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import type { OrderTerm } from '#gateway/schema/table-types.ts';

/** Which rows of a list are asked for. */
export interface Page {
  /** Conditions without those of cursors: what `totalCount` counts. */
  readonly filter: string;
  /** Null where there is no such cursor. */
  readonly after: string | null;
  readonly before: string | null;
  /** In the order of the answer; `backward` reads it from the end. */
  readonly terms: readonly OrderTerm[];
  readonly direction: 'forward' | 'backward';
  /** As SQL: a number, or a parameter. */
  readonly limit: string;
  readonly offset: string | null;
  readonly rows: (variables: VariableValues) => number;
}

/** Reads a list's arguments. `join` is what ties it to the row above it. */
export function pageOf(
  selected: Selected,
  scope: RowScope,
  join: string | null,
  compilation: Compilation,
): Page {
  const args = selected.arguments;
  const given = (name: string): Input | undefined => {
    const input = args.get(name);
    return input?.value === null ? undefined : input;
  };
  const [first, last] = [given('first'), given('last')];
  if (first !== undefined && last !== undefined) {
    throw badInput(`${selected.key}: first and last exclude each other.`);
  }
  const where = given('where');
  const conditions = [
    ...(join === null ? [] : [join]),
    ...(where === undefined ? [] : [filterSql(where, scope, compilation)]),
  ].filter((condition) => condition !== 'true');
  const terms = orderTerms(scope.table, given('orderBy'));
  const named = orderName(terms);
  const [after, before] = [given('after'), given('before')];
  const offset = given('offset');
  const limit = last ?? first;
  const rowCount = counted(selected, limit, 'rows', compilation);
  const skipped = offset === undefined ? null : counted(selected, offset, 'offset', compilation);
  const backward = reversed(terms);
  // Lazy, because a parameter that no part of the statement mentions has no type.
  const afterCursor = once(() => {
    return after === undefined ? null : afterSql(after, terms, named, scope, compilation);
  });
  const beforeCursor = once(() => {
    return before === undefined ? null : afterSql(before, backward, named, scope, compilation);
  });
  return {
    filter: conditions.length === 0 ? 'true' : conditions.join(' AND '),
    get after(): string | null {
      return afterCursor();
    },
    get before(): string | null {
      return beforeCursor();
    },
    terms,
    direction: last === undefined ? 'forward' : 'backward',
    get limit(): string {
      return rowCount();
    },
    get offset(): string | null {
      return skipped === null ? null : skipped();
    },
    rows: (variables) => rowsOf(limit, variables, compilation),
  };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** All conditions of a page, those of its cursors included. */
export function conditionSql({ filter, after, before }: Page): string {
  const parts = [filter, after, before].filter((part) => part !== null && part !== 'true');
  return parts.length === 0 ? '' : ` WHERE ${parts.join(' AND ')}`;
}

function rowsOf(limit: Input | undefined, variables: VariableValues, of: Compilation): number {
  const rows = limit?.read(variables);
  return typeof rows === 'number' ? rows : of.limits.defaultRows;
}

/** A count as SQL; that it is a possible one is checked whether it is used or not. */
function counted(
  selected: Selected,
  input: Input | undefined,
  what: 'rows' | 'offset',
  compilation: Compilation,
): () => string {
  const { maxRows, defaultRows } = compilation.limits;
  if (input === undefined) return () => String(defaultRows);
  compilation.checks.push((variables) => {
    const value = input.read(variables);
    if (typeof value !== 'number') return;
    if (value < 0) throw badInput(`${selected.key}: ${value} is negative.`);
    if (what === 'rows' && value > maxRows) {
      throw badInput(`${selected.key}: ${value} rows are too many; at most ${maxRows} at a time.`);
    }
  });
  return once(() => {
    return compilation.parameter((variables) => {
      const value = input.read(variables);
      return typeof value === 'number' ? String(value) : String(what === 'rows' ? defaultRows : 0);
    }, 'int8');
  });
}
