import { addDecimals } from '#core/decimal.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { keyParts } from '#core/row-key.ts';
import type {
  DeleteRowsStatement,
  Guard,
  InsertRowsStatement,
  LockRowsStatement,
  LockTableStatement,
  LockedRow,
  StatementResult,
  TruncateStatement,
  UpdateRowsStatement,
} from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { holdRow } from '#sim/pg/row-lock.ts';
import { ROW_LOCK } from '#sim/pg/row-version.ts';
import type { RowVersion } from '#sim/pg/row-version.ts';
import {
  deleteVersion,
  insertRow,
  reachKey,
  updateMode,
  updateVersion,
  visibleRows,
} from '#sim/pg/rows.ts';
import { reach } from '#sim/pg/row-lock.ts';
import { tableOf } from '#sim/pg/server-core.ts';
import { lockTable as takeTableLock, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import type { Table } from '#sim/pg/table.ts';
import { xid32 } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import type { Step } from '#sim/pg/wait.ts';

type Counted = Extract<StatementResult, { readonly kind: 'count' }>;

export function* updateRows(
  backend: Backend,
  statement: UpdateRowsStatement,
  snapshot: Snapshot,
): Step<Counted> {
  const { relation, rows, guard } = statement;
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.rowExclusive);
  // What does not exist here, or is computed here, is left out; the row counts all the same.
  const positions = statement.columns.map((at) => writable(table, relation, at));
  const assigned = new Set(positions.filter((at) => at >= 0));
  const mode = assigned.size === 0 ? ROW_LOCK.update : updateMode(table, assigned);
  let count = 0;
  for (const row of rows) {
    yield* breath(backend, rows.length);
    const key = table.lookupKey(relation, keyParts(row.key));
    const matches = guarded(backend, guard, row.knownXid);
    const version = yield* reachKey(backend, table, key, snapshot, mode, matches);
    if (version === null) continue;
    count++;
    if (assigned.size === 0) {
      holdRow(backend, version, mode);
      continue;
    }
    const values = [...version.values];
    for (const [at, write] of row.writes.entries()) {
      const position = positions[at] ?? -1;
      if (write === null || position < 0) continue;
      values[position] =
        write.kind === 'set' ? write.value : sum(values[position] ?? null, write.amount);
    }
    yield* updateVersion(backend, table, version, values, assigned);
  }
  return { kind: 'count', count };
}

export function* insertRows(backend: Backend, statement: InsertRowsStatement): Step<Counted> {
  const { relation, rows } = statement;
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.rowExclusive);
  const positions = relation.columns.map((_, at) => writable(table, relation, at));
  let count = 0;
  for (const row of rows) {
    yield* breath(backend, rows.length);
    const values: PgText[] = table.definition.columns.map((column) => column.default ?? null);
    for (const [at, value] of row.entries()) {
      const position = positions[at] ?? -1;
      if (position >= 0) values[position] = value;
    }
    if (yield* insertRow(backend, table, values, 'skip')) count++;
  }
  return { kind: 'count', count };
}

export function* deleteRows(
  backend: Backend,
  statement: DeleteRowsStatement,
  snapshot: Snapshot,
): Step<Counted> {
  const { relation, rows, guard } = statement;
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.rowExclusive);
  let count = 0;
  for (const row of rows) {
    yield* breath(backend, rows.length);
    const key = table.lookupKey(relation, keyParts(row.key));
    const matches = guarded(backend, guard, row.knownXid);
    const version = yield* reachKey(backend, table, key, snapshot, ROW_LOCK.update, matches);
    if (version === null) continue;
    deleteVersion(backend, table, version);
    count++;
  }
  return { kind: 'count', count };
}

/** In key order: two transactions that lock the same rows cannot wait for each other. */
export function* lockRows(
  backend: Backend,
  { relation, keys }: LockRowsStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.rowShare);
  const positions = table.positionsOf(relation);
  const rows: LockedRow[] = [];
  for (const key of keys.toSorted(inKeyOrder(table))) {
    yield* breath(backend, keys.length);
    const lookup = table.lookupKey(relation, keyParts(key));
    const version = yield* reachKey(backend, table, lookup, snapshot, ROW_LOCK.update, always);
    if (version === null) continue;
    holdRow(backend, version, ROW_LOCK.update);
    const values = positions.map((at) => (at < 0 ? null : (version.values[at] ?? null)));
    rows.push({ key, xmin: xid32(version.xmin.xid), values });
  }
  return { kind: 'locked', rows };
}

export function* lockTable(backend: Backend, { relation }: LockTableStatement): Step<void> {
  yield* takeTableLock(backend, tableFor(backend, relation), TABLE_LOCK.exclusive);
}

/** A DELETE of all others. */
export function* truncateExcept(
  backend: Backend,
  { relation, survivors }: TruncateStatement,
  snapshot: Snapshot,
): Step<Counted> {
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.rowExclusive);
  const kept = new Set(survivors.map((key) => table.lookupKey(relation, keyParts(key))));
  const rows = visibleRows(table, snapshot);
  let count = 0;
  for (const seen of rows) {
    if (kept.has(table.primary.keyOf(seen.values) ?? '')) continue;
    yield* breath(backend, rows.length);
    const version = yield* reach(backend, seen, ROW_LOCK.update, (newest) => {
      return !kept.has(table.primary.keyOf(newest.values) ?? '');
    });
    if (version === null) continue;
    deleteVersion(backend, table, version);
    count++;
  }
  return { kind: 'count', count };
}

/** Between two rows of one statement other backends run too. */
export function* breath(backend: Backend, rows: number): Step<void> {
  if (rows < 2) return;
  const us = backend.core.pace.betweenRows();
  if (us > 0) yield { kind: 'delay', us };
}

/** Row versions that the caller knows: replicator/pg/sql-guard.ts, evaluated on this version's xmin. */
function guarded(
  backend: Backend,
  guard: Guard | null,
  knownXid: number | null,
): (version: RowVersion) => boolean {
  if (guard === null) return always;
  const { horizonXid, ownXids } = guard;
  return (version) => {
    const xmin = xid32(version.xmin.xid);
    if (xmin === knownXid || ownXids.includes(xmin)) return true;
    if (horizonXid === null) return false;
    const next = xid32(backend.core.ids.next);
    return age(next, xmin) > age(next, horizonXid);
  };
}

// age(xid): the signed 32-bit distance to the next id, so that the order survives the wrap.
function age(next: number, xid: number): number {
  return (next - xid) | 0;
}

function always(): boolean {
  return true;
}

export function tableFor(backend: Backend, relation: Relation): Table {
  return tableOf(backend.core, relation.schema, relation.name);
}

function writable(table: Table, relation: Relation, at: number): number {
  const position = table.positionsOf(relation)[at] ?? -1;
  return position >= 0 && table.isGenerated(position) ? -1 : position;
}

// NULL plus anything is NULL.
function sum(value: PgText, amount: string): PgText {
  return value === null ? null : addDecimals(value, amount);
}

function inKeyOrder(table: Table): (left: RowKey, right: RowKey) => number {
  const types = table.keyColumns.map((at) => table.types[at]?.name ?? 'text');
  return (left, right) => {
    const others = keyParts(right);
    for (const [at, part] of keyParts(left).entries()) {
      const other = others[at] ?? '';
      if (part === other) continue;
      const numeric = /^(int|numeric)/.test(types[at] ?? '');
      return (numeric ? Number(part) < Number(other) : part < other) ? -1 : 1;
    }
    return 0;
  };
}
