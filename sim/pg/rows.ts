import type { PgText } from '#core/relation.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { checkRow } from '#sim/pg/check-row.ts';
import type { KeyIndex } from '#sim/pg/key-index.ts';
import { reach, waitForEnd } from '#sim/pg/row-lock.ts';
import { isDead, isVisible, ROW_LOCK, RowVersion } from '#sim/pg/row-version.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { Table } from '#sim/pg/table.ts';
import { isAborted, isRunning } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import { assignXid, record } from '#sim/pg/transaction-end.ts';
import type { Step } from '#sim/pg/wait.ts';

const ROW_BYTES = 40;

/** The version of this key that the snapshot sees. */
export function visibleVersion(
  table: Table,
  key: string,
  snapshot: Snapshot,
): RowVersion | undefined {
  const versions = table.primary.versions(key);
  for (let at = versions.length - 1; at >= 0; at--) {
    const version = versions[at];
    if (version !== undefined && isVisible(version, snapshot)) return version;
  }
  return undefined;
}

/** Everything that the snapshot sees, in the order in which the keys first came. */
export function visibleRows(table: Table, snapshot: Snapshot): readonly RowVersion[] {
  const rows: RowVersion[] = [];
  for (const bucket of table.primary.buckets()) {
    for (const version of bucket) if (isVisible(version, snapshot)) rows.push(version);
  }
  return rows;
}

/** False: the key is taken and that is no error (ON CONFLICT DO NOTHING on the primary key, or on any). */
export function* insertRow(
  backend: Backend,
  table: Table,
  given: readonly PgText[],
  onConflict: 'error' | 'skip' | 'skip any',
): Step<boolean> {
  const values = checkRow(table, table.withGenerated(given));
  refuseFullDisk(backend);
  if (onConflict !== 'error') {
    for (const keyIndex of table.indexes) {
      if (!keyIndex.unique || (onConflict === 'skip' && keyIndex !== table.primary)) continue;
      if ((yield* findRival(backend, keyIndex, values)) !== null) return false;
    }
  }
  assignXid(backend);
  const { transaction } = backend;
  const version = new RowVersion(values, transaction.current, transaction.command);
  const dead = deadIn(backend);
  // Whoever comes for the same value meanwhile finds it here and waits for us.
  for (const keyIndex of table.indexes) {
    if (keyIndex.unique) yield* claim(backend, table, keyIndex, values);
    keyIndex.add(version, dead);
  }
  writeChange(backend, table, 'insert', null, values, null);
  return true;
}

/** The version must be reached with `updateMode(table, assigned)`. */
export function* updateVersion(
  backend: Backend,
  table: Table,
  old: RowVersion,
  changed: readonly PgText[],
  assigned: ReadonlySet<number>,
): Step<void> {
  const values = checkRow(table, table.withGenerated(changed));
  refuseFullDisk(backend);
  assignXid(backend);
  const { transaction } = backend;
  const version = new RowVersion(values, transaction.current, transaction.command);
  mark(backend, old, version, updateMode(table, assigned));
  // Key-share locks go on protecting the row; they did not keep this update out.
  version.lockers = old.lockers;
  const dead = deadIn(backend);
  for (const keyIndex of table.indexes) {
    const moved = keyIndex.unique && keyIndex.keyOf(old.values) !== keyIndex.keyOf(values);
    if (moved) yield* claim(backend, table, keyIndex, values);
    keyIndex.add(version, dead);
  }
  writeChange(backend, table, 'update', old.values, values, assigned);
}

/** Changing a column that a foreign key could point to keeps out those who share the key. */
export function updateMode(table: Table, assigned: ReadonlySet<number>): 2 | 3 {
  for (const at of assigned) if (table.uniqueColumns.has(at)) return ROW_LOCK.update;
  return ROW_LOCK.noKeyUpdate;
}

/** The version must be reached with ROW_LOCK.update. */
export function deleteVersion(backend: Backend, table: Table, old: RowVersion): void {
  refuseFullDisk(backend);
  assignXid(backend);
  mark(backend, old, null, ROW_LOCK.update);
  writeChange(backend, table, 'delete', old.values, null, null);
}

/** A key that a row may have: the row itself, reached, or null when there is none. */
export function* reachKey(
  backend: Backend,
  table: Table,
  key: string,
  snapshot: Snapshot,
  mode: 0 | 1 | 2 | 3,
  matches: (version: RowVersion) => boolean,
): Step<RowVersion | null> {
  const seen = visibleVersion(table, key, snapshot);
  if (seen === undefined || !matches(seen)) return null;
  const { primary } = table;
  return yield* reach(
    backend,
    seen,
    mode,
    (newest) => primary.keyOf(newest.values) === key && matches(newest),
  );
}

export function writeChange(
  backend: Backend,
  table: Table,
  kind: 'insert' | 'update' | 'delete' | 'truncate',
  old: readonly PgText[] | null,
  values: readonly PgText[] | null,
  assigned: ReadonlySet<number> | null,
): void {
  if (table.definition.unlogged === true) return;
  const { core, transaction } = backend;
  record(backend, ROW_BYTES + bytesOf(old) + bytesOf(values));
  transaction.changes.push({
    kind,
    xact: transaction.current,
    table,
    old,
    new: values,
    assigned,
    underOrigin: backend.origin !== null,
    message: null,
    endLsn: core.wal.insertLsn,
  });
}

function bytesOf(values: readonly PgText[] | null): number {
  let bytes = 0;
  if (values !== null) for (const value of values) bytes += value === null ? 0 : value.length + 1;
  return bytes;
}

function mark(backend: Backend, old: RowVersion, next: RowVersion | null, mode: 2 | 3): void {
  const { transaction } = backend;
  old.xmax = transaction.current;
  old.cmax = transaction.command;
  old.xmaxMode = mode;
  old.next = next;
}

/** Waits for everybody who might still take this value, then takes it or refuses. */
function* claim(
  backend: Backend,
  table: Table,
  keyIndex: KeyIndex,
  values: readonly PgText[],
): Step<void> {
  const rival = yield* findRival(backend, keyIndex, values);
  if (rival === null) return;
  const columns = keyIndex.columns.map((at) => table.definition.columns[at]?.name ?? '');
  const key = keyIndex.columns.map((at) => values[at] ?? '');
  throw new SqlError(
    '23505',
    `duplicate key value violates unique constraint "${keyIndex.name}" ` +
      `(Key (${columns.join(', ')})=(${key.join(', ')}) already exists.)`,
  );
}

/** A live row, seen or not, with the same values. */
function* findRival(
  backend: Backend,
  keyIndex: KeyIndex,
  values: readonly PgText[],
): Step<RowVersion | null> {
  const key = keyIndex.keyOf(values);
  if (key === null) return null;
  for (;;) {
    const found = rivalOf(backend, keyIndex.versions(key));
    if (found === null) return null;
    if (found.waitFor === null) return found.version;
    yield* waitForEnd(backend, found.waitFor);
  }
}

function rivalOf(backend: Backend, versions: readonly RowVersion[]) {
  const own = backend.transaction.top;
  for (const version of versions) {
    const { xmin, xmax } = version;
    if (isAborted(xmin)) continue;
    if (xmin.top !== own && isRunning(xmin)) return { version, waitFor: xmin };
    if (xmax === null || isAborted(xmax)) return { version, waitFor: null };
    if (xmax.top !== own && isRunning(xmax)) return { version, waitFor: xmax };
  }
  return null;
}

function deadIn(backend: Backend): (version: RowVersion) => boolean {
  const { ids, wal } = backend.core;
  const oldest = ids.oldestSeq();
  const flushed = wal.flushedLsn;
  return (version) => isDead(version, oldest, flushed);
}

function refuseFullDisk(backend: Backend): void {
  if (!backend.core.dataDiskFull) return;
  throw new SqlError('53100', 'could not extend file: No space left on device');
}
