import { aggregatesSql } from '#gateway/compile/aggregate-sql.ts';
import { cursorSql, orderSql, reversed } from '#gateway/compile/order-sql.ts';
import { conditionSql, pageOf } from '#gateway/compile/page.ts';
import type { Page } from '#gateway/compile/page.ts';
import { objectSql, objectTypeOf, typeNameSql } from '#gateway/compile/object-sql.ts';
import type { Member } from '#gateway/compile/object-sql.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { below } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';

/** Compiles the fields of a row; handed in, because a row may hold connections in turn. */
export type RowMembers = (
  selection: readonly Selected[],
  scope: RowScope,
  compilation: Compilation,
) => readonly Member[];

/** What is computed for each row of a page, by the name it has inside. */
interface PageColumns {
  readonly columns: string[];
  needsCursor: boolean;
  needsOneMore: boolean;
}

/**
 * A connection as one JSON object: edges, page information, counts, each only if asked for. Aggregates
 * over the page may stand deep inside of the object: they speak of `p` only, so they belong to the query
 * that reads it (for `count(*)` that would not be so).
 */
export function connectionSql(
  selected: Selected,
  scope: RowScope,
  alias: string,
  join: string | null,
  compilation: Compilation,
  rowMembers: RowMembers,
): string {
  const page = pageOf(selected, scope, join, compilation);
  const inside: PageColumns = { columns: [], needsCursor: false, needsOneMore: false };
  const context = { page, inside, scope, alias, compilation, rowMembers };
  const parts = below(compilation.source, objectTypeOf(selected), selected);
  const members = compilation.perRow(page.rows, () => {
    return parts.map((part): Member => {
      return { key: part.key, sql: partSql(part, context) };
    });
  });
  if (inside.columns.length === 0 && !inside.needsCursor && !inside.needsOneMore) {
    return objectSql(members);
  }
  return `(SELECT ${objectSql(members)} FROM (${pageRows(page, inside, scope, alias)}) p)`;
}

interface PartContext {
  readonly page: Page;
  readonly inside: PageColumns;
  readonly scope: RowScope;
  readonly alias: string;
  readonly compilation: Compilation;
  readonly rowMembers: RowMembers;
}

function partSql(part: Selected, context: PartContext): string {
  const { means } = part;
  if (means?.kind !== 'connectionPart') return typeNameSql(part);
  const { page, scope, alias, compilation, rowMembers } = context;
  switch (means.part) {
    case 'edges':
      return gathered(edgeSql(part, context), context);
    case 'nodes':
      return gathered(
        objectSql(rowMembers(selection(part, compilation), scope, compilation)),
        context,
      );
    case 'pageInfo':
      return pageInfoSql(part, context);
    case 'totalCount':
      return `(SELECT count(*) FROM ${scope.table.sqlName} ${alias} WHERE ${page.filter})`;
    case 'aggregates':
      return aggregatesSql(
        part,
        scope,
        `${scope.table.sqlName} ${alias} WHERE ${page.filter}`,
        compilation,
      );
    default:
      return means satisfies never;
  }
}

function selection(part: Selected, compilation: Compilation): readonly Selected[] {
  return below(compilation.source, objectTypeOf(part), part);
}

function edgeSql(part: Selected, { page, scope, compilation, rowMembers }: PartContext): string {
  const members = selection(part, compilation).map((edge): Member => {
    if (edge.means?.kind !== 'edgePart') return { key: edge.key, sql: typeNameSql(edge) };
    if (edge.means.part === 'cursor') return { key: edge.key, sql: cursorSql(page.terms, scope) };
    const row = rowMembers(selection(edge, compilation), scope, compilation);
    return { key: edge.key, sql: objectSql(row) };
  });
  return objectSql(members);
}

/** An expression per row, gathered into an array in the order of the answer. */
function gathered(sql: string, { inside, page }: PartContext): string {
  const name = `c${inside.columns.length}`;
  inside.columns.push(`${sql} AS ${name}`);
  const order = page.direction === 'forward' ? 'p.at' : 'p.at DESC';
  return `coalesce(json_agg(p.${name} ORDER BY ${order}) FILTER (WHERE p.at <= ${page.limit}), '[]')`;
}

function pageInfoSql(part: Selected, context: PartContext): string {
  const { page, inside, compilation } = context;
  const members = selection(part, compilation).map((info): Member => {
    const { means } = info;
    if (means?.kind !== 'pageInfoPart') return { key: info.key, sql: typeNameSql(info) };
    const forward = page.direction === 'forward';
    switch (means.part) {
      case 'startCursor':
      case 'endCursor': {
        inside.needsCursor = true;
        const first = (means.part === 'startCursor') === forward;
        return {
          key: info.key,
          sql: `(array_agg(p.cursor ORDER BY p.at${first ? '' : ' DESC'}) FILTER (WHERE p.at <= ${page.limit}))[1]`,
        };
      }
      case 'hasNextPage':
      case 'hasPreviousPage':
        return { key: info.key, sql: hasMoreSql(means.part === 'hasNextPage', context) };
      default:
        return means satisfies never;
    }
  });
  return objectSql(members);
}

/**
 * Ahead of us one row more than asked for tells; behind us, whether a row exists on the far side of the
 * cursor (or was left out by the offset).
 */
function hasMoreSql(next: boolean, { page, inside, scope, alias }: PartContext): string {
  const forward = page.direction === 'forward';
  if (next === forward) {
    inside.needsOneMore = true;
    return `count(p.there) > ${page.limit}`;
  }
  const cursor = next ? page.before : page.after;
  const skipped =
    next || page.offset === null
      ? 'false'
      : `(${page.offset} > 0 AND EXISTS (SELECT FROM ${scope.table.sqlName} ${alias} WHERE ${page.filter}))`;
  if (cursor === null) return skipped;
  return `EXISTS (SELECT FROM ${scope.table.sqlName} ${alias} WHERE ${page.filter} AND (${cursor}) IS NOT TRUE)`;
}

function pageRows(page: Page, inside: PageColumns, scope: RowScope, alias: string): string {
  const terms = page.direction === 'forward' ? page.terms : reversed(page.terms);
  const columns = [
    ...inside.columns,
    ...(inside.needsCursor ? [`${cursorSql(page.terms, scope)} AS cursor`] : []),
    'true AS there',
  ];
  const limit = inside.needsOneMore ? `${page.limit} + 1` : page.limit;
  const offset = page.offset === null ? '' : ` OFFSET ${page.offset}`;
  return `SELECT q.*, row_number() OVER () AS at FROM (SELECT ${columns.join(', ')} FROM ${scope.table.sqlName} ${alias}${conditionSql(page)}${orderSql(terms, scope)} LIMIT ${limit}${offset}) q`;
}
