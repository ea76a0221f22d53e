import type { Lsn } from '#core/lsn.ts';
import type { Backend } from '#sim/pg/backend.ts';
import type { OpenTransaction } from '#sim/pg/open-transaction.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import { isAborted } from '#sim/pg/transaction.ts';
import type { Step } from '#sim/pg/wait.ts';
import type { CommitEntry } from '#sim/pg/wal.ts';

const COMMIT_BYTES = 22;
const BYTES_PER_SUBTRANSACTION = 4;

/** Gives this transaction (or savepoint) its id, if it has none yet. */
export function assignXid(backend: Backend): number {
  const { core, transaction } = backend;
  const xid = core.ids.assign(transaction.current);
  if (xid > transaction.lastXid) transaction.lastXid = xid;
  return xid;
}

/** Writes a record of this transaction. */
export function record(backend: Backend, payloadBytes: number): Lsn {
  const { core, transaction } = backend;
  const start = core.wal.insert(payloadBytes);
  core.wal.noteXid(transaction.current.xid);
  if (transaction.firstLsn === 0) transaction.firstLsn = start;
  return start;
}

/**
 * COMMIT: the record is written, flushed (unless synchronous_commit is off), and only then does the
 * transaction become visible; a walsender can send it in between (hazards T2). Resolves to false for a
 * transaction that had failed and was rolled back instead.
 */
export function* commit(backend: Backend): Step<boolean> {
  const { core, transaction } = backend;
  if (transaction.failed) {
    abortAll(backend);
    return false;
  }
  if (transaction.lastXid === 0) {
    finish(backend, transaction);
    return true;
  }
  const entry = writeCommit(backend, transaction);
  const local = transaction.synchronousCommit === false;
  if (backend.synchronousCommit) {
    yield { kind: 'flush', lsn: entry.endLsn };
    yield { kind: 'delay', us: core.pace.visible() };
    if (core.standbyUs !== null && !local) yield { kind: 'delay', us: core.standbyUs };
  } else core.flusher.later();
  core.ids.committed(transaction.top, transaction.lastXid);
  core.unsettled.delete(entry);
  finish(backend, transaction);
  core.published(entry);
  return true;
}

function writeCommit(backend: Backend, transaction: OpenTransaction): CommitEntry {
  const { core } = backend;
  const xid = core.ids.assign(transaction.top);
  const subtransactions = transaction.lastXid - xid;
  const startLsn = record(backend, COMMIT_BYTES + subtransactions * BYTES_PER_SUBTRANSACTION);
  core.wal.noteXid(transaction.lastXid);
  const entry: CommitEntry = {
    kind: 'commit',
    startLsn,
    endLsn: core.wal.insertLsn,
    xact: transaction.top,
    xid,
    lastXid: transaction.lastXid,
    commitTimeUs: Math.round(core.wallUs()) - core.pace.commitTimeJitter(),
    trueUs: core.time.nowUs(),
    firstLsn: transaction.firstLsn,
    changes: transaction.changes.filter(({ xact }) => !isAborted(xact)),
    tag: transaction.tag,
  };
  core.wal.append(entry);
  core.unsettled.add(entry);
  transaction.top.commitEndLsn = entry.endLsn;
  transaction.commitLsn = startLsn;
  return entry;
}

/** ROLLBACK, or the end of a session. */
export function abortAll(backend: Backend): void {
  const { core, transaction } = backend;
  core.ids.aborted(transaction.top, transaction.lastXid);
  finish(backend, transaction);
}

/** An error in an open transaction: the innermost savepoint is undone, or everything. */
export function abortCurrent(backend: Backend): void {
  const { core, transaction } = backend;
  const { current, top } = transaction;
  transaction.failed = true;
  core.ids.aborted(current, current === top ? transaction.lastXid : current.xid);
  if (current === top) releaseTables(backend, transaction);
  core.waits.wake();
}

export function rollbackTo(backend: Backend, name: string): void {
  const { core, transaction } = backend;
  const held = [...transaction.tableLocks.keys()];
  const xact = transaction.backTo(name);
  if (xact === null) throw noSavepoint(name);
  for (const table of held) {
    core.tableLocks.reduce(table, backend, transaction.tableLocks.get(table) ?? 0);
  }
  core.ids.aborted(xact, xact.xid);
  transaction.failed = false;
  transaction.savepoint(name, backend);
  core.waits.wake();
}

export function release(backend: Backend, name: string): void {
  if (!backend.transaction.release(name)) throw noSavepoint(name);
}

function noSavepoint(name: string): SqlError {
  return new SqlError('3B001', `savepoint "${name}" does not exist`);
}

function finish(backend: Backend, transaction: OpenTransaction): void {
  const { core } = backend;
  if (transaction.snapshot !== null) core.ids.release(transaction.snapshot);
  releaseTables(backend, transaction);
  backend.ended();
  core.waits.wake();
}

function releaseTables(backend: Backend, transaction: OpenTransaction): void {
  for (const table of transaction.tableLocks.keys()) {
    backend.core.tableLocks.reduce(table, backend, 0);
  }
  transaction.tableLocks.clear();
}
