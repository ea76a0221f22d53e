import { getVariableValues } from 'graphql';
import type { RowKey } from '#core/row-key.ts';
import type { Input } from '#gateway/compile/input.ts';
import { objectTypeOf } from '#gateway/compile/object-sql.ts';
import { below, select } from '#gateway/compile/selection.ts';
import type { Selected, Source } from '#gateway/compile/selection.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';
import { GatewayError, GatewayErrors } from '#gateway/errors.ts';
import { locationsOf, operationOf } from '#gateway/execution/documents.ts';
import type { Engine } from '#gateway/execution/engine.ts';
import { identity } from '#gateway/execution/operation-flight.ts';
import type { Principal } from '#gateway/execution/request.ts';
import type { TableModel } from '#gateway/model/schema-model.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import type { Rows, Sql } from '#gateway/pg/sql-text.ts';
import type { Sight } from '#gateway/subscriptions/change.ts';
import type { ChangeQuery } from '#gateway/subscriptions/change-query.ts';
import { changeRendering } from '#gateway/subscriptions/change-rendering.ts';
import type { OperationRequest } from '#gateway/subscriptions/message.ts';
import { TableReader } from '#gateway/subscriptions/table-reader.ts';

/** A subscription that was understood. */
export interface TableSubscription {
  readonly query: ChangeQuery;
  readonly after: string | null;
  readonly initial: boolean;
}

const PAGE_ROWS = 500;
/** One flight's arrays of keys; a larger transaction takes several. */
const KEYS_MAX = 2000;

/** Compiles a subscription to a table's changes; throws what is wrong with it. */
export async function tableSubscription(
  engine: Engine,
  pool: Pool,
  principal: Principal,
  request: OperationRequest,
  limits: RowLimits,
  signal: AbortSignal,
): Promise<TableSubscription> {
  const { root, source } = understood(engine, request);
  const table = root.field?.extensions['everywriteChanges'] as TableModel | undefined;
  if (table === undefined) throw wrong(`There is no subscription ${root.key}.`);
  const selection = below(source, objectTypeOf(root), root);
  const node = selection.find(({ field }) => field?.name === 'node') ?? null;
  if (selection.filter(({ field }) => field?.name === 'node').length > 1) {
    throw wrong('A subscription can select "node" only once; select more fields in it.');
  }
  const reader = new TableReader({ table, root, node, source, limits });
  const fly = async (sql: Sql, abort: AbortSignal): Promise<Rows> => {
    const transaction = [identity('query', principal), sql];
    const { transaction: answers } = await pool.fly({ transaction, afterCommit: [] }, abort);
    return answers[1] ?? [];
  };
  const filterColumns = columnsOf(table, root.arguments.get('where'));
  const sight = await sightOf(table, filterColumns, fly, signal);
  const ops = root.arguments.get('ops')?.value;
  const wanted = Array.isArray(ops) ? new Set<unknown>(ops) : null;
  const query: ChangeQuery = {
    signature: signatureOf(principal, request, source),
    table: { schema: table.schema, name: table.table },
    sight,
    filterColumns,
    wants: ({ op }) => wanted === null || op === 'INITIAL' || wanted.has(op),
    read: (keys, abort) => readKeys(reader, keys, fly, abort),
    readAll: (abort) => readPages(reader, fly, abort),
    render: changeRendering(table, root.key, selection),
  };
  const after = root.arguments.get('after')?.value;
  const initial = root.arguments.get('initial')?.value === true;
  return { query, after: typeof after === 'string' ? after : null, initial };
}

function understood(
  engine: Engine,
  request: OperationRequest,
): { readonly root: Selected; readonly source: Source } {
  const ready = engine.documents.get(request.query ?? '');
  const operation = operationOf(ready, request.operationName);
  const given = { ...request.variables };
  const result = getVariableValues(engine.schema, operation.variableDefinitions ?? [], given, {
    maxErrors: 10,
    hideSuggestions: true,
  });
  if (result.variableValues === undefined) {
    throw new GatewayErrors(
      result.errors.map((error) => {
        const { message } = error;
        return new GatewayError({ code: 'BAD_USER_INPUT', message, ...locationsOf(error) });
      }),
    );
  }
  const { schema } = engine;
  const source = { schema, fragments: ready.fragments, variables: result.variableValues };
  const type = schema.getSubscriptionType();
  if (type === null || type === undefined) throw wrong('There are no subscriptions.');
  const [root, ...others] = select(source, type, [operation.selectionSet]);
  if (root === undefined || others.length > 0) {
    throw wrong('A subscription has exactly one field.');
  }
  return { root, source };
}

/** Equal for those who may share reads and encodings. Where they resume from does not matter. */
function signatureOf(
  principal: Principal,
  request: OperationRequest,
  { variables }: Source,
): string {
  const { query, operationName } = request;
  return JSON.stringify([principal.key, query, operationName ?? null, variables.coerced]);
}

/** Columns that a filter reads; null when it reads other tables. */
function columnsOf(table: TableModel, where: Input | undefined): ReadonlySet<string> | null {
  const columns = new Set<string>();
  const visit = (input: Input): boolean =>
    input.entries().every(([name, value]) => {
      if (name === 'and' || name === 'or') return value.items().every(visit);
      if (name === 'not') return visit(value);
      const column = table.columns.find(({ field }) => field === name);
      if (column !== undefined) columns.add(column.column);
      return column !== undefined;
    });
  return where === undefined || visit(where) ? columns : null;
}

async function sightOf(
  table: TableModel,
  filterColumns: ReadonlySet<string> | null,
  fly: (sql: Sql, signal: AbortSignal) => Promise<Rows>,
  signal: AbortSignal,
): Promise<Sight> {
  // Also asked for its own sake: who may not read the table is told so now, not at the first change.
  const text = `SELECT row_security_active($1::text)::text, (SELECT count(*) FROM (SELECT FROM ${table.sqlName} LIMIT 0) t)::text`;
  const [row] = await fly({ text, values: [table.sqlName] }, signal);
  if (row?.[0] !== 'false') return 'secured';
  return filterColumns === null || filterColumns.size > 0 ? 'filtered' : 'open';
}

async function readKeys(
  reader: TableReader,
  keys: readonly RowKey[],
  fly: (sql: Sql, signal: AbortSignal) => Promise<Rows>,
  signal: AbortSignal,
): Promise<ReadonlyMap<RowKey, string>> {
  const found = new Map<RowKey, string>();
  for (let at = 0; at < keys.length; at += KEYS_MAX) {
    const some = keys.slice(at, at + KEYS_MAX);
    for (const row of await fly(reader.byKeys(some), signal)) {
      const { place, json } = reader.keyed(row);
      const key = some[place];
      if (key !== undefined) found.set(key, json);
    }
  }
  return found;
}

async function* readPages(
  reader: TableReader,
  fly: (sql: Sql, signal: AbortSignal) => Promise<Rows>,
  signal: AbortSignal,
): AsyncGenerator<readonly (readonly [RowKey, string])[]> {
  let after: readonly string[] | null = null;
  for (;;) {
    const answer: Rows = await fly(reader.page(after, PAGE_ROWS), signal);
    const rows = answer.map((row) => reader.paged(row));
    if (rows.length > 0) yield rows.map(({ key, json }) => [key, json] as const);
    const last = rows.at(-1);
    if (rows.length < PAGE_ROWS || last === undefined || signal.aborted) return;
    after = last.texts;
  }
}

function wrong(message: string): GatewayError {
  return new GatewayError({ code: 'GRAPHQL_VALIDATION_FAILED', message });
}
