import { must, unreachable } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type {
  ConflictRow,
  ForgetConflictsStatement,
  LoadSpillStatement,
  RecordStatement,
  SaveCheckpointStatement,
  SpilledKey,
  StatementResult,
} from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { reach } from '#sim/pg/row-lock.ts';
import { ROW_LOCK } from '#sim/pg/row-version.ts';
import type { RowVersion } from '#sim/pg/row-version.ts';
import {
  deleteVersion,
  insertRow,
  reachKey,
  updateMode,
  updateVersion,
  visibleRows,
  writeChange,
} from '#sim/pg/rows.ts';
import { ownTable } from '#sim/pg/server-core.ts';
import { lockTable, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import type { Table } from '#sim/pg/table.ts';
import { isAborted, isRunning } from '#sim/pg/transaction.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import { assignXid } from '#sim/pg/transaction-end.ts';
import type { Step } from '#sim/pg/wait.ts';

const DONE: StatementResult = { kind: 'done' };

export function* runRecord(
  backend: Backend,
  statement: RecordStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  switch (statement.kind) {
    case 'writeConflicts': {
      const table = yield* writable(backend, 'conflicts');
      for (const row of statement.add) yield* insertRow(backend, table, conflict(row), 'skip any');
      for (const row of statement.remove) {
        yield* remove(backend, table, conflictKey(row), snapshot);
      }
      return DONE;
    }
    case 'forgetConflicts':
      return yield* forgetConflicts(backend, statement, snapshot);
    case 'withdrawConflicts': {
      const { replica, after } = statement;
      return yield* withdrawConflicts(backend, replica, after, snapshot);
    }
    case 'writeQuarantine': {
      const table = yield* writable(backend, 'quarantine');
      for (const { relation, key, sqlState, reason, wanted } of statement.rows) {
        const values = [relation, key, sqlState, reason, wanted, '1'];
        yield* upsert(backend, table, values, snapshot, (old) => {
          return [...values.slice(0, 5), String(Number(old[5]) + 1)];
        });
      }
      return DONE;
    }
    case 'clearQuarantine': {
      const table = yield* writable(backend, 'quarantine');
      for (const { relation, key } of statement.rows) {
        yield* remove(backend, table, [relation, key], snapshot);
      }
      return DONE;
    }
    case 'readQuarantine':
      return readQuarantine(backend, snapshot);
    case 'saveCheckpoint':
      return yield* saveCheckpoint(backend, statement, snapshot);
    case 'resetSpill':
      yield* resetSpill(backend, statement.owner, snapshot);
      return DONE;
    case 'spill': {
      const table = yield* writable(backend, 'index_spill');
      for (const { relation, key, state } of statement.rows) {
        const values = [statement.owner, relation, key, hex(state)];
        yield* upsert(backend, table, values, snapshot, () => values);
      }
      return DONE;
    }
    case 'loadSpill':
      return yield* loadSpill(backend, statement, snapshot);
    default:
      return unreachable(statement);
  }
}

/** The oldest first; `keepRows` of the newest stay, unless they are too old. */
function* forgetConflicts(
  backend: Backend,
  { beforeHlc, keepRows, limit }: ForgetConflictsStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = yield* writable(backend, 'conflicts');
  const stamp = ({ values }: RowVersion): number => Math.max(Number(values[5]), Number(values[9]));
  const newestFirst = visibleRows(table, snapshot).toSorted((a, b) => stamp(b) - stamp(a));
  const first = newestFirst[keepRows];
  const bound = Math.max(beforeHlc, first === undefined ? beforeHlc : stamp(first) + 1);
  const old = newestFirst.filter((row) => stamp(row) < bound).slice(-limit);
  const going = new Set(old.map(({ values }) => table.primary.keyOf(values)));
  const gone = yield* takeOut(backend, table, snapshot, (values) => {
    return going.has(table.primary.keyOf(values));
  });
  return { kind: 'count', count: gone.length };
}

function* withdrawConflicts(
  backend: Backend,
  replica: string,
  after: number,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = yield* writable(backend, 'conflicts');
  const gone = yield* takeOut(backend, table, snapshot, (values) => {
    return [values[4], values[8]].some((dot) => isDotAfter(dot ?? '', replica, after));
  });
  return { kind: 'count', count: gone.length };
}

function isDotAfter(dot: string, replica: string, after: number): boolean {
  const [of, sequence] = dot.split(':');
  return of === replica && Number(sequence) > after;
}

function* writable(backend: Backend, name: string): Step<Table> {
  const table = ownTable(backend.core, name);
  yield* lockTable(backend, table, TABLE_LOCK.rowExclusive);
  return table;
}

function conflictKey(row: ConflictRow): readonly string[] {
  return [row.relation, row.key, row.column, row.winner.dot, row.loser.dot];
}

function conflict(row: ConflictRow): readonly PgText[] {
  const { winner, loser } = row;
  const won = [winner.dot, winner.region, `${winner.hlc}`, winner.value];
  const lost = [loser.dot, loser.region, `${loser.hlc}`, loser.value];
  return [
    row.relation,
    row.key,
    row.column,
    row.kind,
    ...won,
    ...lost,
    `${winner.saw}`,
    `${loser.saw}`,
  ];
}

function* remove(
  backend: Backend,
  table: Table,
  key: readonly string[],
  snapshot: Snapshot,
): Step<RowVersion | null> {
  const lookup = table.primary.keyOfParts(key);
  const version = yield* reachKey(backend, table, lookup, snapshot, ROW_LOCK.update, () => true);
  if (version !== null) deleteVersion(backend, table, version);
  return version;
}

/** INSERT … ON CONFLICT DO UPDATE: what is in the way is updated even if the snapshot does not show it. */
function* upsert(
  backend: Backend,
  table: Table,
  values: readonly PgText[],
  snapshot: Snapshot,
  merge: (old: readonly PgText[]) => readonly PgText[],
): Step<void> {
  const assigned = new Set(
    values.map((_, at) => at).filter((at) => !table.keyColumns.includes(at)),
  );
  for (;;) {
    if (yield* insertRow(backend, table, values, 'skip')) return;
    const key = table.primary.keyOf(values) ?? '';
    const seen = table.primary.versions(key).findLast((version) => {
      const { xmin, xmax } = version;
      const live = !isAborted(xmin) && (xmax === null || isAborted(xmax));
      return live && !isForeign(backend, version);
    });
    if (seen === undefined) continue;
    const mode = updateMode(table, assigned);
    const version = yield* reach(backend, seen, mode, () => true);
    if (version === null) continue;
    yield* updateVersion(backend, table, version, merge(version.values), assigned);
    return;
  }
}

function isForeign(backend: Backend, { xmin }: RowVersion): boolean {
  return isRunning(xmin) && xmin.top !== backend.transaction.top;
}

function readQuarantine(backend: Backend, snapshot: Snapshot): StatementResult {
  const rows = visibleRows(ownTable(backend.core, 'quarantine'), snapshot).map(({ values }) => {
    const [relation, key, sqlState, reason, wanted] = values;
    return {
      relation: must(relation, 'relation'),
      key: must(key, 'key'),
      sqlState: must(sqlState, 'sql_state'),
      reason: must(reason, 'reason'),
      wanted: wanted ?? null,
    };
  });
  const text = (row: { relation: string; key: string }): string => `${row.relation} ${row.key}`;
  return { kind: 'quarantined', rows: rows.toSorted((a, b) => (text(a) < text(b) ? -1 : 1)) };
}

function* saveCheckpoint(
  backend: Backend,
  { expected, next }: SaveCheckpointStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = yield* writable(backend, 'checkpoint');
  const assigned = new Set([table.column('stable'), table.column('fold_from')]);
  const version = yield* reachKey(backend, table, '1', snapshot, ROW_LOCK.noKeyUpdate, (row) => {
    return row.values[1] === expected.stable && row.values[2] === expected.foldFrom;
  });
  if (version === null) return { kind: 'count', count: 0 };
  yield* updateVersion(backend, table, version, ['1', next.stable, next.foldFrom], assigned);
  return { kind: 'count', count: 1 };
}

function* resetSpill(backend: Backend, owner: string | null, snapshot: Snapshot): Step<void> {
  const table = ownTable(backend.core, 'index_spill');
  if (owner === null) {
    yield* truncateTable(backend, table);
    return;
  }
  yield* lockTable(backend, table, TABLE_LOCK.rowExclusive);
  yield* takeOut(backend, table, snapshot, (values) => values[0] === owner);
}

/** TRUNCATE: afterwards even older snapshots see an empty table. */
export function* truncateTable(backend: Backend, table: Table): Step<void> {
  yield* lockTable(backend, table, TABLE_LOCK.accessExclusive);
  assignXid(backend);
  table.truncate(backend.transaction.current);
  writeChange(backend, table, 'truncate', null, null, null);
}

function* loadSpill(
  backend: Backend,
  { owner, keys, table: relation }: LoadSpillStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = yield* writable(backend, 'index_spill');
  const rows: SpilledKey[] = [];
  if (keys === null) {
    const taken = yield* takeOut(backend, table, snapshot, (values) => {
      return values[0] === owner && values[1] === relation;
    });
    rows.push(...taken.map(spilled));
  } else {
    for (const key of keys) {
      const version = yield* remove(backend, table, [owner, key.relation, key.key], snapshot);
      if (version !== null) rows.push(spilled(version));
    }
  }
  return { kind: 'spilled', rows };
}

function* takeOut(
  backend: Backend,
  table: Table,
  snapshot: Snapshot,
  wanted: (values: readonly PgText[]) => boolean,
): Step<readonly RowVersion[]> {
  const taken: RowVersion[] = [];
  for (const seen of visibleRows(table, snapshot)) {
    if (!wanted(seen.values)) continue;
    const version = yield* reach(backend, seen, ROW_LOCK.update, ({ values }) => wanted(values));
    if (version === null) continue;
    deleteVersion(backend, table, version);
    taken.push(version);
  }
  return taken;
}

function spilled({ values }: RowVersion): SpilledKey {
  const [, relation, key, state] = values;
  return {
    relation: must(relation, 'relation'),
    key: must(key, 'key'),
    state: Buffer.from(must(state, 'state'), 'hex'),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
