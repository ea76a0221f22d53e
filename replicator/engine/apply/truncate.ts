import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import { fencedAction, PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import { writeRefusable } from '#replicator/engine/apply/refusable-rows.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import type { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { DecidedRow } from '#replicator/engine/apply/row-statements.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';

/**
 * What the batch's TRUNCATEs contradict, told before they are folded: found only afterwards, it would be
 * recorded by the next transaction, and a crash between the two would lose it (records.prop.test.ts).
 */
export function truncateConflicts(index: UnstableIndex, batch: Batch): void {
  for (const { by, op } of batch.truncates) {
    const relation = relationId(op.relation);
    const plans = batch.tables.get(relation);
    for (const slot of index.slotsOf(relation)) {
      const sink = batch.conflicts.sink(relation, slot.key);
      const after = plans?.get(slot.key)?.ops ?? [];
      // What was planned for the row did not know of the TRUNCATE before it.
      if (after.length > 0) batch.conflicts.discard(relation, slot.key);
      const emptied = slot.state.fold(by, op, sink);
      after.reduce((state, told) => state.fold(told.by, told.op, sink), emptied);
    }
  }
}

/**
 * A remote TRUNCATE: keeps every other writer out, lets capture reach the present, and deletes what the
 * truncating region had seen. Rows inserted concurrently survive; so do rows that this batch inserts
 * after it, which are written later.
 */
export async function truncateTables(
  context: ApplyContext,
  session: DatabaseSession,
  batch: Batch,
  pass: () => Promise<void>,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { by, op } of batch.truncates) {
    const local = await context.tables.get(op.relation);
    if (local === null) continue;
    await session.flight([{ kind: 'lockTable', relation: local.relation }]);
    await pass();
    const survivors: RowKey[] = [];
    const revived: DecidedRow[] = [];
    for (const slot of context.index.slotsOf(relationId(op.relation))) {
      const after = slot.state.fold(by, op, IGNORE_CONFLICTS);
      if (after.alive() !== true) continue;
      survivors.push(slot.key);
      if (slot.state.alive() === true) continue;
      // The delete that had taken this row gives way to a TRUNCATE that spares it.
      const planned = new PlannedKey(op.relation, slot.key, slot, after);
      const action = fencedAction(planned, local.columns, null, null);
      revived.push({ planned, action, row: null });
    }
    await session.flight([{ kind: 'truncateExcept', relation: local.relation, survivors }]);
    outcomes.push(...(await writeRefusable(session, local, revived)));
  }
  return outcomes;
}
