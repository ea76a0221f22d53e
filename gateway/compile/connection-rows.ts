import { connectionSql } from '#gateway/compile/connection-sql.ts';
import { orderSql, reversed } from '#gateway/compile/order-sql.ts';
import { conditionSql, pageOf } from '#gateway/compile/page.ts';
import type { Page } from '#gateway/compile/page.ts';
import { RowColumns } from '#gateway/compile/row-columns.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { objectTypeOf } from '#gateway/compile/object-sql.ts';
import { below } from '#gateway/compile/selection.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import { arrayJson } from '#gateway/compile/root-rows.ts';
import type { RootRows } from '#gateway/compile/root-rows.ts';
import { rowMembers } from '#gateway/compile/row-sql.ts';
import { objectWriter } from '#gateway/execution/row-json.ts';
import type { ObjectPart } from '#gateway/execution/row-json.ts';
import type { Row, Rows } from '#gateway/pg/sql-text.ts';

/** What is to be known of a page when it is written. */
interface PageAnswer {
  /** In the order of the answer, without the row that only told of more. */
  readonly rows: Rows;
  readonly more: boolean;
}

type WritePage = (answer: PageAnswer) => string;

/** A connection at the root as rows that Node writes, where the rows alone say all that is asked. */
export function connectionRows(
  selected: Selected,
  scope: RowScope,
  alias: string,
  compilation: Compilation,
): RootRows {
  const parts = below(compilation.source, objectTypeOf(selected), selected);
  if (!parts.every((part) => saidByRows(part, selected, compilation))) {
    const sql = `SELECT ${connectionSql(selected, scope, alias, null, compilation, rowMembers)}`;
    return { sql, write: ([row]) => row?.[0] ?? 'null' };
  }
  const page = pageOf(selected, scope, null, compilation);
  const columns = new RowColumns();
  const writers = compilation.perRow(page.rows, () => {
    return parts.map((part) => partWriter(part, { page, columns, scope, compilation }));
  });
  const terms = page.direction === 'forward' ? page.terms : reversed(page.terms);
  const offset = page.offset === null ? '' : ` OFFSET ${page.offset}`;
  // The limit comes along, so that nobody has to compute it twice.
  const limitAt = columns.at(`${page.limit}`);
  const sql = `SELECT ${columns.sql()} FROM ${scope.table.sqlName} ${alias}${conditionSql(page)}${orderSql(terms, scope)} LIMIT ${page.limit} + 1${offset}`;
  return {
    sql,
    write: (rows) => {
      const limit = Number(rows[0]?.[limitAt] ?? 0);
      const shown = rows.slice(0, limit);
      const answer = {
        rows: page.direction === 'forward' ? shown : shown.toReversed(),
        more: rows.length > limit,
      };
      return `{${writers.map((write) => write(answer)).join(',')}}`;
    },
  };
}

/** Counts, aggregates, and what lies behind a cursor need a look of their own. */
function saidByRows(part: Selected, above: Selected, compilation: Compilation): boolean {
  const { means } = part;
  if (means?.kind !== 'connectionPart') return true;
  if (means.part === 'totalCount' || means.part === 'aggregates') return false;
  if (means.part !== 'pageInfo') return true;
  const given = (name: string): boolean => {
    const value = above.arguments.get(name)?.value;
    return value !== undefined && value !== null;
  };
  const cursored = given('after') || given('before') || given('offset');
  const behind = given('last') ? 'hasNextPage' : 'hasPreviousPage';
  return below(compilation.source, objectTypeOf(part), part).every((info) => {
    return info.means?.kind !== 'pageInfoPart' || info.means.part !== behind || !cursored;
  });
}

interface PartContext {
  readonly page: Page;
  readonly columns: RowColumns;
  readonly scope: RowScope;
  readonly compilation: Compilation;
}

function partWriter(part: Selected, context: PartContext): WritePage {
  const before = `${JSON.stringify(part.key)}:`;
  const { means } = part;
  if (means?.kind !== 'connectionPart') {
    const constant = before + JSON.stringify(part.parent.name);
    return () => constant;
  }
  const { columns, scope, compilation } = context;
  const selection = below(compilation.source, objectTypeOf(part), part);
  if (means.part === 'nodes') {
    const write = columns.object(selection, scope, compilation);
    return ({ rows }) => before + arrayJson(rows, write);
  }
  if (means.part === 'edges') {
    const write = objectWriter(selection.map((edge) => edgePart(edge, context)));
    return ({ rows }) => before + arrayJson(rows, write);
  }
  const infos = selection.map((info) => infoWriter(info, context));
  return (answer) => `${before}{${infos.map((write) => write(answer)).join(',')}}`;
}

function edgePart(edge: Selected, { page, columns, scope, compilation }: PartContext): ObjectPart {
  const { key, means } = edge;
  if (means?.kind !== 'edgePart') {
    return { key, kind: 'constant', json: JSON.stringify(edge.parent.name) };
  }
  if (means.part === 'cursor') {
    const cursor = columns.cursor(page.terms, scope);
    return { key, kind: 'written', write: (row: Row) => `"${cursor(row)}"` };
  }
  const selection = below(compilation.source, objectTypeOf(edge), edge);
  return { key, kind: 'written', write: columns.object(selection, scope, compilation) };
}

function infoWriter(info: Selected, { page, columns, scope }: PartContext): WritePage {
  const before = `${JSON.stringify(info.key)}:`;
  const { means } = info;
  if (means?.kind !== 'pageInfoPart') {
    const constant = before + JSON.stringify(info.parent.name);
    return () => constant;
  }
  const { part } = means;
  if (part === 'hasNextPage' || part === 'hasPreviousPage') {
    const ahead = (part === 'hasNextPage') === (page.direction === 'forward');
    return ({ more }) => `${before}${String(ahead && more)}`;
  }
  const cursor = columns.cursor(page.terms, scope);
  return ({ rows }) => {
    const row = part === 'startCursor' ? rows[0] : rows.at(-1);
    return `${before}${row === undefined ? 'null' : `"${cursor(row)}"`}`;
  };
}
