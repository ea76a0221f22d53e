import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type {
  FindOrphansStatement,
  OrphanGroup,
  StatementResult,
} from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { childrenOf } from '#sim/pg/foreign-keys.ts';
import { holdRow } from '#sim/pg/row-lock.ts';
import { ROW_LOCK } from '#sim/pg/row-version.ts';
import { reachKey, visibleRows, visibleVersion } from '#sim/pg/rows.ts';
import { tableFor } from '#sim/pg/run-rows.ts';
import type { ForeignKeyDefinition } from '#sim/pg/table-definition.ts';
import type { Table } from '#sim/pg/table.ts';
import { lockTable as takeTableLock, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import type { Step } from '#sim/pg/wait.ts';

/** Children of rows that are gone, by foreign key; those that are found are locked. */
export function* findOrphans(
  backend: Backend,
  { relation, rows }: FindOrphansStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const parent = tableFor(backend, relation);
  const positions = parent.positionsOf(relation);
  const gone = new Map<string, number>();
  for (const [at, values] of rows.entries()) {
    const row: PgText[] = parent.definition.columns.map(() => null);
    positions.forEach((to, from) => {
      if (to >= 0) row[to] = values[from] ?? null;
    });
    const key = parent.primary.keyOf(row);
    if (key !== null && visibleVersion(parent, key, snapshot) === undefined) gone.set(key, at);
  }
  const groups: OrphanGroup[] = [];
  for (const [child, foreign] of childrenOf(backend, parent)) {
    yield* takeTableLock(backend, child, TABLE_LOCK.rowShare);
    groups.push(yield* childrenLeft(backend, parent, child, foreign, gone, snapshot));
  }
  return { kind: 'orphans', groups };
}

function* childrenLeft(
  backend: Backend,
  parent: Table,
  child: Table,
  foreign: ForeignKeyDefinition,
  gone: ReadonlyMap<string, number>,
  snapshot: Snapshot,
): Step<OrphanGroup> {
  const { schema, name, key } = child.definition;
  const names = [...new Set([...key, ...foreign.columns])];
  const at = names.map((column) => child.column(column));
  const rows: OrphanGroup['rows'][number][] = [];
  for (const version of visibleRows(child, snapshot)) {
    const referring = foreign.columns.map((column) => version.values[child.column(column)] ?? null);
    if (referring.includes(null)) continue;
    const found = gone.get(parent.primary.keyOfParts(referring.map((text) => text ?? '')));
    if (found === undefined) continue;
    const own = must(child.primary.keyOf(version.values), 'key');
    const reached = yield* reachKey(backend, child, own, snapshot, ROW_LOCK.update, () => true);
    if (reached === null) continue;
    holdRow(backend, reached, ROW_LOCK.update);
    const values = at.map((position) => reached.values[position] ?? null);
    const defaults = foreign.columns.map(
      (column) => child.definition.columns[child.column(column)]?.default ?? null,
    );
    rows.push({ parent: found, values, defaults });
  }
  const positionOf = (column: string): number => names.indexOf(column);
  return {
    constraint: foreign.name,
    relation: {
      schema,
      name,
      columns: names.map((column) => ({ name: column, typeOid: 0 })),
      keyColumns: key.map(positionOf),
    },
    referring: foreign.columns.map(positionOf),
    onDelete: foreign.onDelete === 'restrict' ? 'no action' : foreign.onDelete,
    rows,
  };
}
