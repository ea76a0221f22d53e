import type { ConflictSink } from '#conflict/conflict-sink.ts';
import type { Hlc } from '#core/hlc.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type {
  ChangeTransaction,
  DeleteOp,
  TransactionHeader,
  TruncateOp,
} from '#core/transaction.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { DirtyKey, UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { ConflictRow, Guard } from '#replicator/engine/statement.ts';

/** Whole transactions that go into one database transaction, folded per row. */
export interface Batch {
  readonly transactions: readonly ChangeTransaction[];
  /** The applied vector once it is in. */
  readonly vector: VersionVector;
  readonly hlc: Hlc;
  /** By relation id; the slow path replaces plans by newer ones. */
  readonly tables: ReadonlyMap<string, Map<RowKey, PlannedKey>>;
  readonly truncates: readonly { readonly by: TransactionHeader; readonly op: TruncateOp }[];
  /** Rows that are projected again although this batch may say nothing about them. */
  readonly dirty: readonly DirtyKey[];
  readonly conflicts: ConflictBuffer;
  /** Deletions that carry a verdict to be recorded. */
  readonly verdicts: readonly DeleteOp[];
  /** Which row versions were known when the batch was planned: read later, it would vouch for more. */
  readonly guard: Guard;
  /** Own transactions up to here can be read; one beyond may still wait for a standby. */
  readonly logged: number;
}

interface Late {
  readonly conflicts: ConflictBuffer;
  readonly recorded: readonly ConflictRow[];
}

/** Folds the batch over a view of the index; the index itself is untouched until `settleBatch`. */
export function planBatch(
  index: UnstableIndex,
  transactions: readonly ChangeTransaction[],
  dirty: readonly DirtyKey[],
  progress: { readonly vector: VersionVector; readonly hlc: Hlc; readonly logged?: number },
  conflicts: ConflictBuffer,
  guard: Guard,
): Batch {
  const tables = new Map<string, Map<RowKey, PlannedKey>>();
  const truncates: { by: TransactionHeader; op: TruncateOp }[] = [];
  const verdicts: DeleteOp[] = [];
  for (const by of transactions) {
    for (const op of by.ops) {
      if (op.kind === 'truncate') {
        truncates.push({ by, op });
        // A batch with a TRUNCATE holds one transaction; what it wrote before it is gone again.
        tables.delete(relationId(op.relation));
        continue;
      }
      const planned = plan(index, tables, op.relation, op.key);
      if (op.kind === 'delete' && op.cause !== undefined) verdicts.push(op);
      planned.add(by, op, () => conflicts.sink(relationId(op.relation), op.key));
    }
  }
  for (const { relation, key } of dirty) plan(index, tables, relation, key);
  return {
    transactions,
    logged: Infinity,
    ...progress,
    tables,
    truncates,
    dirty,
    conflicts,
    guard,
    verdicts,
  };
}

/** After the rows are decided: deciding one again forgets what was said about it. */
export function recordVerdicts({ verdicts, conflicts }: Batch): void {
  for (const { relation, key, cause } of verdicts) {
    if (cause !== undefined) conflicts.verdict(relationId(relation), key, cause);
  }
}

/** The batch is committed: its folds become the index's, and rows that moved meanwhile are dirty. */
export function settleBatch(index: UnstableIndex, batch: Batch, late: Late): void {
  const context = { ...late, truncates: batch.truncates.length > 0 };
  for (const table of batch.tables.values()) {
    for (const planned of table.values()) settleKey(index, planned, context);
  }
}

/** Decides a row again from what the index knows now; what the batch adds stays the same. */
export function replan(index: UnstableIndex, planned: PlannedKey, sink: ConflictSink): PlannedKey {
  const id = relationId(planned.relation);
  const base = index.slot(id, planned.key);
  const again = new PlannedKey(
    planned.relation,
    planned.key,
    base,
    base === undefined ? index.ground(id) : null,
  );
  for (const { by, op } of planned.ops) again.add(by, op, () => sink);
  return again;
}

function settleKey(
  index: UnstableIndex,
  planned: PlannedKey,
  late: Late & { readonly truncates: boolean },
): void {
  const { relation, key, ops } = planned;
  if (ops.length === 0) return;
  const id = relationId(relation);
  const now = index.slot(id, key);
  // Without a slot the row starts from its table's ground, which an own TRUNCATE changes.
  const grounded = now !== undefined || index.state(id, key) === planned.before;
  const moved = now !== planned.base || (now?.changes ?? 0) !== planned.baseChanges || !grounded;
  const [first] = ops;
  if (!moved && planned.isPlain && first !== undefined && index.isBlank(id)) {
    index.settleFirst(relation, key, first);
    return;
  }
  const headers = ops.map(({ by }) => by);
  if (!moved) {
    index.settle(relation, key, headers, planned.state);
    return;
  }
  const { state } = replan(index, planned, late.conflicts.sink(id, key));
  late.conflicts.reconcile(id, key, late.recorded);
  index.settle(relation, key, headers, state);
  // An own write was captured between the decision and the commit: the decision did not know it.
  const ownFolds = now?.ownFolds ?? 0;
  const unknown = now !== planned.base || ownFolds !== planned.baseOwnFolds;
  if (now === undefined ? !late.truncates : unknown) index.markDirty({ relation, key });
}

function plan(
  index: UnstableIndex,
  tables: Map<string, Map<RowKey, PlannedKey>>,
  relation: Relation,
  key: RowKey,
): PlannedKey {
  const id = relationId(relation);
  let table = tables.get(id);
  if (table === undefined) tables.set(id, (table = new Map()));
  const known = table.get(key);
  if (known !== undefined) return known;
  const base = index.slot(id, key);
  const planned = new PlannedKey(relation, key, base, base === undefined ? index.ground(id) : null);
  table.set(key, planned);
  return planned;
}
