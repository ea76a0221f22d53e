import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { isDelta } from '#conflict/column-type.ts';
import { KeyState } from '#conflict/key-state.ts';
import type { IsStable } from '#conflict/frontier.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { happenedBefore, sameDot } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';

/** An operation and who made it. */
export interface Told {
  readonly by: TransactionHeader;
  readonly op: RowOp;
}

/**
 * One row's place in the index. Most rows are touched once while unstable, and there may be hundreds of
 * thousands of them: such a slot holds just that operation, and is expanded to a state when something
 * else meets it. Only the index changes a slot.
 */
export class Slot {
  readonly relation: Relation;
  readonly key: RowKey;
  /** The last captured local transaction that wrote the row (32-bit), or null. */
  xid: number | null = null;
  /** Counts own folds: a decision made on an older count did not know one. */
  ownFolds = 0;
  changes = 0;
  /** Operations folded while an older part of the state may lie in the spill; null when none does. */
  since: Told[] | null = null;
  evicted = false;
  #only: Told | null = null;
  #state: KeyState | null;

  /** `ground` is what the row starts from: the unstable TRUNCATEs of its table. */
  constructor(relation: Relation, key: RowKey, ground: KeyState) {
    this.relation = relation;
    this.key = key;
    this.#state = ground === KeyState.EMPTY ? null : ground;
  }

  get state(): KeyState {
    if (this.#state === null) {
      const { EMPTY } = KeyState;
      const only = this.#only;
      this.#state = only === null ? EMPTY : EMPTY.fold(only.by, only.op, IGNORE_CONFLICTS);
      this.#only = null;
    }
    return this.#state;
  }

  /** The one operation that is all there is to know; null when it is more, or less. */
  get only(): Told | null {
    return this.#only;
  }

  /** Newest transaction per replica that touched the row. */
  get latest(): readonly TransactionHeader[] {
    if (this.#state !== null) return this.#state.latest;
    return this.#only === null ? [] : [this.#only.by];
  }

  /** `sinkOf` is asked only when there is something to conflict with. */
  fold(told: Told, sinkOf: (slot: Slot) => ConflictSink): void {
    const fresh = this.#state === null && (this.#only === null || replaces(told, this.#only));
    if (fresh) this.#only = told;
    else this.#state = this.state.fold(told.by, told.op, sinkOf(this));
    if (this.since !== null) remember(this.since, told);
    this.changes++;
  }

  replace(state: KeyState): void {
    this.#state = state;
    this.#only = null;
    this.changes++;
  }

  /** Every transaction that the slot refers to. */
  headers(): Iterable<TransactionHeader> {
    return this.#state === null ? this.latest : this.#state.headers();
  }

  /** Forgets what is stable; false when nothing is left. */
  prune(isStable: IsStable): boolean {
    this.changes++;
    if (this.#state === null) return this.#only !== null && !isStable(this.#only.by);
    const pruned = this.#state.prune(isStable);
    if (pruned !== null) this.#state = pruned;
    return pruned !== null;
  }
}

// What the last one of the same replica leaves nothing of need not be folded again either.
function remember(since: Told[], told: Told): void {
  const last = since.at(-1);
  if (last?.by.replica === told.by.replica && replaces(told, last)) since.pop();
  since.push(told);
}

// A plain update of everything that an earlier plain update wrote, by somebody who had seen it, leaves
// nothing of that one to remember: the hot row of one region stays one operation.
export function replaces(next: Told, known: Told): boolean {
  if (next.op.kind !== 'update' || known.op.kind !== 'update') return false;
  if (!happenedBefore(known.by, next.by) || sameDot(known.by, next.by)) return false;
  if (next.op.relation !== known.op.relation) return false;
  const { columns, cells } = next.op;
  return (
    !cells.some(isDelta) &&
    !known.op.cells.some(isDelta) &&
    known.op.columns.every((column) => columns.includes(column))
  );
}
