import { must } from '#core/assert.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { RowOp } from '#core/transaction.ts';
import type { RowTouch } from '#gateway/subscriptions/change.ts';

/** What one transaction did to one table. */
export interface TableTouches {
  readonly truncated: boolean;
  readonly rows: readonly RowTouch[];
}

/** Folds a transaction's operations on one table to one per row; null when it did not touch it. */
export function touchesOf(
  ops: readonly RowOp[],
  table: { readonly schema: string; readonly name: string },
): TableTouches | null {
  let truncated = false;
  const rows = new Map<RowKey, RowTouch>();
  for (const op of ops) {
    const { relation } = op;
    if (relation.name !== table.name || relation.schema !== table.schema) continue;
    if (op.kind === 'truncate') {
      truncated = true;
      rows.clear();
    } else rows.set(op.key, folded(rows.get(op.key), op, relation));
  }
  return truncated || rows.size > 0 ? { truncated, rows: [...rows.values()] } : null;
}

function folded(
  before: RowTouch | undefined,
  op: Exclude<RowOp, { kind: 'truncate' }>,
  relation: Relation,
): RowTouch {
  const { key } = op;
  if (op.kind !== 'update') {
    // Deleted and inserted again, as a whole, it is an update to whoever watches.
    const kind = op.kind === 'insert' && before?.kind === 'delete' ? 'update' : op.kind;
    const columns = kind === 'update' ? relation.columns.map(({ name }) => name) : [];
    return { key, kind, columns };
  }
  const named = op.columns.map((at) => must(relation.columns[at], 'changed column').name);
  const columns = [...new Set([...(before?.columns ?? []), ...named])];
  return { key, kind: before?.kind === 'insert' ? 'insert' : 'update', columns };
}
