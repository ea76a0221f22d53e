import { must } from '#core/assert.ts';
import { formatLsn } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';
import type {
  AdvanceVectorStatement,
  EmitMarkStatement,
  RegionState,
  Statement,
  StatementResult,
} from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { findOrphans } from '#sim/pg/run-orphans.ts';
import { runRecord } from '#sim/pg/run-records.ts';
import { findRivals } from '#sim/pg/run-rivals.ts';
import {
  deleteRows,
  insertRows,
  lockRows,
  lockTable,
  truncateExcept,
  updateRows,
} from '#sim/pg/run-rows.ts';
import { ROW_LOCK } from '#sim/pg/row-version.ts';
import { reachKey, updateVersion, visibleRows, visibleVersion } from '#sim/pg/rows.ts';
import { ownTable } from '#sim/pg/server-core.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { inFailedTransaction, SqlError } from '#sim/pg/sql-error.ts';
import { lockTable as takeTableLock, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import { xid32 } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import {
  abortAll,
  assignXid,
  commit,
  record,
  release,
  rollbackTo,
} from '#sim/pg/transaction-end.ts';
import type { Step } from '#sim/pg/wait.ts';

const DONE: StatementResult = { kind: 'done' };
const SAVEPOINT = 'everywrite';
const MESSAGE_BYTES = 24;
/** From 17 on pg_logical_emit_message flushes by itself. */
const FLUSH_ARGUMENT_VERSION = 170_000;

/** COMMIT of a failed transaction: no error in PostgreSQL, and not what was asked for. */
export const ROLLED_BACK: StatementResult = { kind: 'done' };

export function marksInTransaction(version: number): boolean {
  return version >= FLUSH_ARGUMENT_VERSION;
}

/** How many rows a statement names: what its duration depends on. */
export function rowsOf(statement: Statement): number {
  if ('rows' in statement) return statement.rows.length;
  return statement.kind === 'lockRows' ? statement.keys.length : 0;
}

/** One of the engine's statements, as replicator/pg renders it into SQL. */
export function* runStatement(
  backend: Backend,
  statement: Statement,
  origin: string,
): Step<StatementResult> {
  switch (statement.kind) {
    case 'begin':
      backend.begin('read committed', true).lockTimeoutUs =
        Math.trunc(statement.lockTimeoutMs) * 1000;
      return DONE;
    case 'commit':
      return (yield* commitOpen(backend)) ? DONE : ROLLED_BACK;
    case 'rollback':
      if (backend.open !== null) abortAll(backend);
      if (backend.origin !== null) leaveOrigin(backend);
      return DONE;
    case 'savepoint':
      savepoint(backend);
      return DONE;
    case 'rollbackToSavepoint':
      rollbackTo(backend, SAVEPOINT);
      return DONE;
    case 'emitMark':
      yield* emitMark(backend, statement);
      return DONE;
    default:
      return yield* backend.statement((snapshot) => run(backend, statement, snapshot, origin));
  }
}

type PlainStatement = Exclude<
  Statement,
  {
    readonly kind:
      | 'begin'
      | 'commit'
      | 'rollback'
      | 'savepoint'
      | 'rollbackToSavepoint'
      | 'emitMark';
  }
>;

function* run(
  backend: Backend,
  statement: PlainStatement,
  snapshot: Snapshot,
  origin: string,
): Step<StatementResult> {
  switch (statement.kind) {
    case 'enterOrigin':
      enterOrigin(backend, origin);
      return DONE;
    case 'leaveOrigin':
      leaveOrigin(backend);
      return DONE;
    case 'advanceVector':
      return yield* advanceVector(backend, statement, snapshot);
    case 'updateRows':
      return yield* updateRows(backend, statement, snapshot);
    case 'insertRows':
      return yield* insertRows(backend, statement);
    case 'deleteRows':
      return yield* deleteRows(backend, statement, snapshot);
    case 'lockRows':
      return yield* lockRows(backend, statement, snapshot);
    case 'lockTable':
      yield* lockTable(backend, statement);
      return DONE;
    case 'truncateExcept':
      return yield* truncateExcept(backend, statement, snapshot);
    case 'findOrphans':
      return yield* findOrphans(backend, statement, snapshot);
    case 'findRivals':
      return yield* findRivals(backend, statement, snapshot);
    case 'emitVerdict':
      emitInTransaction(backend, 'everywrite:verdict', statement.content);
      return DONE;
    case 'readSnapshot':
      return { kind: 'snapshot', snapshot: backend.core.ids.facts() };
    case 'readState':
      return { kind: 'state', state: readState(backend.core, snapshot) };
    case 'readSettings': {
      const table = ownTable(backend.core, 'settings');
      const row = visibleVersion(table, String(statement.id), snapshot);
      return { kind: 'settings', value: row?.values[1] ?? null };
    }
    default:
      return yield* runRecord(backend, statement, snapshot);
  }
}

function* commitOpen(backend: Backend): Step<boolean> {
  // COMMIT outside a transaction is a warning.
  return backend.open === null ? true : yield* commit(backend);
}

function savepoint(backend: Backend): void {
  const { transaction } = backend;
  if (transaction.failed) throw inFailedTransaction();
  if (transaction.savepoints.some(({ name }) => name === SAVEPOINT)) release(backend, SAVEPOINT);
  transaction.savepoint(SAVEPOINT, backend);
}

/** One session at a time may have an origin set up. */
export function enterOrigin(backend: Backend, origin: string): void {
  const { origins } = backend.core;
  const holder = origins.get(origin);
  if (holder !== undefined && holder !== backend) {
    throw new SqlError('55006', `replication origin "${origin}" is already active`);
  }
  if (backend.origin !== null) throw new SqlError('55000', 'origin is already set up');
  origins.set(origin, backend);
  backend.origin = origin;
}

export function leaveOrigin(backend: Backend): void {
  if (backend.origin === null) throw new SqlError('55000', 'no replication origin is configured');
  backend.core.origins.delete(backend.origin);
  backend.origin = null;
}

function* advanceVector(
  backend: Backend,
  { expectedGeneration, vector, hlc }: AdvanceVectorStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = ownTable(backend.core, 'applied');
  // pg_current_snapshot() is that of the statement: from before it had to wait for anybody.
  const snapshotXmin = backend.core.ids.xmin();
  yield* takeTableLock(backend, table, TABLE_LOCK.rowExclusive);
  const assigned = new Set([1, 2, 3]);
  const version = yield* reachKey(backend, table, '1', snapshot, ROW_LOCK.noKeyUpdate, (row) => {
    return row.values[1] === `${expectedGeneration}`;
  });
  if (version === null) return { kind: 'advanced', count: 0, xid: 0, snapshotXmin: 0n };
  const values = ['1', `${expectedGeneration + 1}`, vector, `${hlc}`];
  yield* updateVersion(backend, table, version, values, assigned);
  const xid = xid32(backend.core.ids.assign(backend.transaction.top));
  return { kind: 'advanced', count: 1, xid, snapshotXmin };
}

/** Without a flush argument a commit around the message flushes it: with an id, or it would write no record. */
function* emitMark(backend: Backend, { prefix, content }: EmitMarkStatement): Step<void> {
  const { core } = backend;
  if (backend.open?.failed === true) throw inFailedTransaction();
  const ownTransaction = !marksInTransaction(core.version);
  if (ownTransaction) backend.begin('read committed', true).synchronousCommit = false;
  const endLsn = emitMessage(backend, prefix, content);
  if (ownTransaction) {
    assignXid(backend);
    yield* commit(backend);
  } else yield { kind: 'flush', lsn: endLsn };
}

/** A logical message that belongs to no transaction; returns where it ends. */
export function emitMessage(backend: Backend, prefix: string, content: string): Lsn {
  const { wal } = backend.core;
  const startLsn = wal.insert(MESSAGE_BYTES + prefix.length + content.length);
  wal.append({ kind: 'message', startLsn, endLsn: wal.insertLsn, prefix, content });
  return wal.insertLsn;
}

/** A transactional one: it is decoded with its transaction, or not at all. */
export function emitInTransaction(backend: Backend, prefix: string, content: string): void {
  assignXid(backend);
  record(backend, MESSAGE_BYTES + prefix.length + content.length);
  const { transaction, core } = backend;
  transaction.changes.push({
    kind: 'message',
    xact: transaction.current,
    table: null,
    old: null,
    new: null,
    assigned: null,
    underOrigin: backend.origin !== null,
    message: { prefix, content },
    endLsn: core.wal.insertLsn,
  });
}

function readState(core: ServerCore, snapshot: Snapshot): RegionState {
  const [region] = visibleRows(ownTable(core, 'region'), snapshot);
  if (region === undefined) throw new SqlError('P0002', 'this database is not prepared');
  const [, name, epoch, systemIdentifier, timeline, slotName, initialSettings] = region.values;
  const [applied] = visibleRows(ownTable(core, 'applied'), snapshot);
  const [checkpoint] = visibleRows(ownTable(core, 'checkpoint'), snapshot);
  const [, generation, vector, hlc] = must(applied, 'everywrite.applied').values;
  const slot = core.slots.get(slotName ?? '');
  return {
    region: must(name, 'region'),
    epoch: Number(epoch),
    generation: Number(generation),
    vector: vector ?? '',
    hlc: Number(hlc),
    initialSettings: Number(initialSettings),
    stable: checkpoint?.values[1] ?? '',
    foldFrom: checkpoint?.values[2] ?? '',
    serverVersion: core.version,
    confirmedFlushLsn: slot === undefined ? null : formatLsn(slot.confirmedLsn),
    sameServer:
      systemIdentifier === core.identity.systemIdentifier &&
      timeline === `${core.identity.timeline}`,
    walLsn: formatLsn(core.wal.flushedLsn),
  };
}
