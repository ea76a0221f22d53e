import type { PgText } from '#core/relation.ts';
import type {
  FindRivalsStatement,
  RivalRow,
  StatementResult,
} from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import { visibleRows } from '#sim/pg/rows.ts';
import { tableFor } from '#sim/pg/run-rows.ts';
import { lockTable as takeTableLock, TABLE_LOCK } from '#sim/pg/table-locks.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import type { Step } from '#sim/pg/wait.ts';

/** Rows of the table that a unique index holds equal to wanted ones. */
export function* findRivals(
  backend: Backend,
  { relation, rows }: FindRivalsStatement,
  snapshot: Snapshot,
): Step<StatementResult> {
  const table = tableFor(backend, relation);
  yield* takeTableLock(backend, table, TABLE_LOCK.accessShare);
  const positions = table.positionsOf(relation);
  const rivals: RivalRow[] = [];
  for (const index of table.indexes) {
    if (!index.unique || index === table.primary) continue;
    const columns = index.columns.map((at) => table.definition.columns[at]?.name ?? '');
    for (const [row, values] of rows.entries()) {
      const wanted: PgText[] = table.definition.columns.map(() => null);
      positions.forEach((at, position) => {
        if (at >= 0) wanted[at] = values[position] ?? null;
      });
      const complete = table.withGenerated(wanted);
      const key = index.keyOf(complete);
      if (key === null) continue;
      for (const { values: stored } of visibleRows(table, snapshot)) {
        const same = table.primary.keyOf(stored) === table.primary.keyOf(complete);
        if (same || index.keyOf(stored) !== key) continue;
        const shown = positions.map((at) => (at < 0 ? null : (stored[at] ?? null)));
        rivals.push({ row, constraint: index.name, columns, values: shown });
      }
    }
  }
  return { kind: 'rivals', rows: rivals };
}
