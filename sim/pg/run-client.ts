import { addDecimals } from '#core/decimal.ts';
import type { PgText } from '#core/relation.ts';
import type { Backend } from '#sim/pg/backend.ts';
import type {
  ClientResult,
  ClientRow,
  ClientStatement,
  ColumnValues,
} from '#sim/pg/client-statement.ts';
import { foreignKeysAfterDelete, foreignKeysAfterWrite } from '#sim/pg/foreign-keys.ts';
import { holdRow, reach } from '#sim/pg/row-lock.ts';
import { ROW_LOCK } from '#sim/pg/row-version.ts';
import type { RowLockMode, RowVersion } from '#sim/pg/row-version.ts';
import {
  deleteVersion,
  insertRow,
  reachKey,
  updateMode,
  updateVersion,
  visibleRows,
  visibleVersion,
} from '#sim/pg/rows.ts';
import { breath } from '#sim/pg/run-rows.ts';
import { truncateTable } from '#sim/pg/run-records.ts';
import { emitInTransaction, emitMessage, enterOrigin, leaveOrigin } from '#sim/pg/run-statement.ts';
import { inFailedTransaction, SqlError } from '#sim/pg/sql-error.ts';
import { lockTable, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import type { Table } from '#sim/pg/table.ts';
import { xid32 } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import { abortAll, commit, release, rollbackTo } from '#sim/pg/transaction-end.ts';
import type { Step } from '#sim/pg/wait.ts';

const NOTHING: ClientResult = { count: 0, rows: [], commitLsn: null, rolledBack: false };

/** One statement of an application. */
export function* runClient(backend: Backend, statement: ClientStatement): Step<ClientResult> {
  switch (statement.kind) {
    case 'begin': {
      const { isolation = 'read committed', tag = null } = statement;
      backend.begin(isolation, true).tag = tag;
      return NOTHING;
    }
    case 'commit':
      return yield* commitClient(backend);
    case 'rollback':
      if (backend.open !== null) abortAll(backend);
      return NOTHING;
    case 'savepoint':
      if (backend.transaction.failed) throw inFailedTransaction();
      backend.transaction.savepoint(statement.name, backend);
      return NOTHING;
    case 'release':
      if (backend.transaction.failed) throw inFailedTransaction();
      release(backend, statement.name);
      return NOTHING;
    case 'rollbackTo':
      rollbackTo(backend, statement.name);
      return NOTHING;
    default:
      return yield* backend.statement((snapshot) => run(backend, statement, snapshot));
  }
}

type Plain = Exclude<
  ClientStatement,
  {
    readonly kind: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollbackTo';
  }
>;

function* commitClient(backend: Backend): Step<ClientResult> {
  const { open } = backend;
  if (open === null) return NOTHING;
  const wrote = open.lastXid > 0;
  if (!(yield* commit(backend))) return { ...NOTHING, rolledBack: true };
  return { ...NOTHING, commitLsn: wrote ? open.commitLsn : null };
}

function* run(backend: Backend, statement: Plain, snapshot: Snapshot): Step<ClientResult> {
  switch (statement.kind) {
    case 'insert':
      return yield* insert(backend, statement);
    case 'update':
      return yield* update(backend, statement, snapshot);
    case 'delete':
      return yield* remove(backend, statement, snapshot);
    case 'select':
      return yield* select(backend, statement, snapshot);
    case 'truncate':
      yield* truncateTable(backend, tableNamed(backend, statement.table));
      return NOTHING;
    case 'lockTable': {
      const table = tableNamed(backend, statement.table);
      yield* lockTable(backend, table, TABLE_LOCK[statement.mode]);
      return NOTHING;
    }
    case 'setLockTimeout':
      backend.lockTimeoutUs = statement.ms * 1000;
      backend.transaction.lockTimeoutUs = backend.lockTimeoutUs;
      return NOTHING;
    case 'setOrigin':
      if (statement.origin === null) leaveOrigin(backend);
      else enterOrigin(backend, statement.origin);
      return NOTHING;
    case 'setSynchronousCommit':
      backend.synchronousCommit = statement.on;
      return NOTHING;
    default:
      if (statement.transactional) {
        emitInTransaction(backend, statement.prefix, statement.content);
      } else emitMessage(backend, statement.prefix, statement.content);
      return NOTHING;
  }
}

function* insert(
  backend: Backend,
  { table: name, row, onConflict }: Extract<Plain, { kind: 'insert' }>,
): Step<ClientResult> {
  const table = tableNamed(backend, name);
  yield* lockTable(backend, table, TABLE_LOCK.rowExclusive);
  const values: PgText[] = table.definition.columns.map((column) => column.default ?? null);
  for (const [column, value] of Object.entries(row)) values[table.column(column)] = value;
  const mode = onConflict === 'nothing' ? 'skip any' : 'error';
  if (!(yield* insertRow(backend, table, values, mode))) return NOTHING;
  foreignKeysAfterWrite(backend, table, values, null);
  return { ...NOTHING, count: 1 };
}

function* update(
  backend: Backend,
  { table: name, key, set = {}, add = {} }: Extract<Plain, { kind: 'update' }>,
  snapshot: Snapshot,
): Step<ClientResult> {
  const table = tableNamed(backend, name);
  yield* lockTable(backend, table, TABLE_LOCK.rowExclusive);
  const assigned = new Set([...Object.keys(set), ...Object.keys(add)].map((c) => table.column(c)));
  const mode = updateMode(table, assigned);
  const found = yield* reachKey(backend, table, keyOf(table, key), snapshot, mode, () => true);
  if (found === null) return NOTHING;
  const values = [...found.values];
  for (const [column, value] of Object.entries(set)) values[table.column(column)] = value;
  for (const [column, amount] of Object.entries(add)) {
    const at = table.column(column);
    const value = found.values[at] ?? null;
    values[at] = value === null ? null : addDecimals(value, amount);
  }
  yield* updateVersion(backend, table, found, values, assigned);
  foreignKeysAfterWrite(backend, table, values, found.values);
  return { ...NOTHING, count: 1 };
}

function* remove(
  backend: Backend,
  { table: name, key }: Extract<Plain, { kind: 'delete' }>,
  snapshot: Snapshot,
): Step<ClientResult> {
  const table = tableNamed(backend, name);
  yield* lockTable(backend, table, TABLE_LOCK.rowExclusive);
  const lookup = keyOf(table, key);
  const found = yield* reachKey(backend, table, lookup, snapshot, ROW_LOCK.update, () => true);
  if (found === null) return NOTHING;
  deleteVersion(backend, table, found);
  foreignKeysAfterDelete(backend, table, found.values);
  return { ...NOTHING, count: 1 };
}

const LOCK_MODES = {
  update: ROW_LOCK.update,
  'no key update': ROW_LOCK.noKeyUpdate,
  share: ROW_LOCK.share,
  'key share': ROW_LOCK.keyShare,
} as const;

function* select(
  backend: Backend,
  { table: name, key, lock }: Extract<Plain, { kind: 'select' }>,
  snapshot: Snapshot,
): Step<ClientResult> {
  const table = tableNamed(backend, name);
  yield* lockTable(
    backend,
    table,
    lock === undefined ? TABLE_LOCK.accessShare : TABLE_LOCK.rowShare,
  );
  const seen = seenRows(table, key, snapshot);
  if (lock === undefined)
    return { ...NOTHING, count: seen.length, rows: seen.map((v) => shown(table, v)) };
  const rows: ClientRow[] = [];
  for (const version of seen) {
    yield* breath(backend, seen.length);
    const found = yield* locked(backend, table, version, LOCK_MODES[lock]);
    if (found !== null) rows.push(shown(table, found));
  }
  return { ...NOTHING, count: rows.length, rows };
}

function seenRows(
  table: Table,
  key: ColumnValues | undefined,
  snapshot: Snapshot,
): readonly RowVersion[] {
  if (key === undefined) return visibleRows(table, snapshot);
  const version = visibleVersion(table, keyOf(table, key), snapshot);
  return version === undefined ? [] : [version];
}

function* locked(
  backend: Backend,
  table: Table,
  seen: RowVersion,
  mode: RowLockMode,
): Step<RowVersion | null> {
  const key = table.primary.keyOf(seen.values);
  const found = yield* reach(backend, seen, mode, (newest) => {
    return table.primary.keyOf(newest.values) === key;
  });
  if (found !== null) holdRow(backend, found, mode);
  return found;
}

function tableNamed(backend: Backend, name: string): Table {
  const table = backend.core.tables.get(name);
  if (table === undefined) throw new SqlError('42P01', `relation "${name}" does not exist`);
  return table;
}

function keyOf(table: Table, key: ColumnValues): string {
  return table.primary.keyOfParts(table.definition.key.map((name) => key[name] ?? ''));
}

function shown(table: Table, { values, xmin }: RowVersion): ClientRow {
  const pairs = table.definition.columns.map(({ name }, at) => [name, values[at] ?? null] as const);
  return { values: Object.fromEntries(pairs), xmin: xid32(xmin.xid) };
}
