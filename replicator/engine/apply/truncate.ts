import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';

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
): Promise<void> {
  for (const { by, op } of batch.truncates) {
    const local = await context.tables.get(op.relation);
    if (local === null) continue;
    await session.flight([{ kind: 'lockTable', relation: local.relation }]);
    await pass();
    const survivors: RowKey[] = [];
    for (const slot of context.index.slotsOf(relationId(op.relation))) {
      const after = slot.state.fold(by, op, IGNORE_CONFLICTS);
      if (after.alive() === true) survivors.push(slot.key);
    }
    await session.flight([{ kind: 'truncateExcept', relation: local.relation, survivors }]);
  }
}
