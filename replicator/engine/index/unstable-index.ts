import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { KeyState } from '#conflict/key-state.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ChangeTransaction, RowOp, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ReplicaId } from '#core/region.ts';

/** One row's place in the index. Mutable, and only the index mutates it. */
export interface Slot {
  readonly relation: Relation;
  readonly key: RowKey;
  state: KeyState;
  /** The last captured local transaction that wrote the row (32-bit), or null. */
  xid: number | null;
  /** Counts own folds and prunes: a decision made on an older count is stale. */
  ownFolds: number;
  changes: number;
  /** Operations folded while an older part of the state may lie in the spill; null when none does. */
  since: { readonly by: TransactionHeader; readonly op: RowOp }[] | null;
  evicted: boolean;
}

interface RelationIndex {
  readonly slots: Map<RowKey, Slot>;
  /** What a row without a slot starts from: the unstable TRUNCATEs of its table. */
  ground: KeyState;
  readonly truncates: TransactionHeader[];
}

/** A row that the table may show wrongly until apply has looked at it again. */
export interface DirtyKey {
  readonly relation: Relation;
  readonly key: RowKey;
}

/**
 * Everything unstable, by row: the log's unstable end, folded. It belongs to one server incarnation
 * and is rebuilt from the log at every start (DESIGN.md section 5, hazards T3).
 */
export class UnstableIndex {
  readonly #own: ReplicaId;
  readonly #relations = new Map<string, RelationIndex>();
  /** Per replica, in sequence order: which slots its transactions touched. */
  readonly #touched = new Map<ReplicaId, { readonly sequence: number; readonly slots: Slot[] }[]>();
  readonly #dirty = new Map<string, DirtyKey>();
  /** Slots that came back from the spill: their transactions' entries in #touched are gone. */
  readonly #returned = new Set<Slot>();
  #spilling = false;
  #size = 0;

  constructor(own: ReplicaId) {
    this.#own = own;
  }

  get size(): number {
    return this.#size;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  slot(relation: string, key: RowKey): Slot | undefined {
    return this.#relations.get(relation)?.slots.get(key);
  }

  /** What is known of a row: its slot's state, or the ground of its table. */
  state(relation: string, key: RowKey): KeyState {
    const table = this.#relations.get(relation);
    return table?.slots.get(key)?.state ?? table?.ground ?? KeyState.EMPTY;
  }

  /**
   * Folds an own transaction at decode. An own operation that had not seen a remote one already folded
   * on its row is late: the table may not show the projection, so the row is dirty (hazards T1, F2).
   */
  foldOwn(transaction: ChangeTransaction, xid: number, sinkOf: (slot: Slot) => ConflictSink): void {
    this.#fold(transaction, sinkOf, (slot, late) => {
      slot.xid = xid;
      slot.ownFolds++;
      if (late) this.markDirty(slot);
    });
  }

  /**
   * Folds a logged transaction at start. Which concurrent writes met unfenced before the crash is not
   * known, so every row with concurrent own and remote operations is dirty (hazards F3).
   */
  rebuild(transaction: ChangeTransaction, sinkOf: (slot: Slot) => ConflictSink): void {
    this.#fold(transaction, sinkOf, (slot, late) => {
      if (late) this.markDirty(slot);
    });
  }

  /** Replaces a row's state by one that was computed from it, or folds again when it moved meanwhile. */
  settle(relation: Relation, key: RowKey, by: readonly TransactionHeader[], state: KeyState): void {
    const table = this.#table(relationId(relation));
    const slot = this.#slotOf(table, relation, key);
    slot.state = state;
    slot.changes++;
    for (const header of by) this.#touch(header, [slot]);
  }

  markDirty(key: DirtyKey): void {
    this.#dirty.set(`${relationId(key.relation)}\u0000${key.key}`, key);
  }

  /** Up to `limit` dirty rows; they stay dirty until `clean`. */
  dirtyKeys(limit: number): readonly DirtyKey[] {
    const keys: DirtyKey[] = [];
    for (const key of this.#dirty.values()) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  clean(key: DirtyKey): void {
    this.#dirty.delete(`${relationId(key.relation)}\u0000${key.key}`);
  }

  /** Rows of a table that hold something a TRUNCATE must look at. */
  slotsOf(relation: string): Iterable<Slot> {
    return this.#relations.get(relation)?.slots.values() ?? [];
  }

  /** Folds a remote TRUNCATE into every row that is known, and into those that are not. */
  foldTruncate(by: TransactionHeader, op: RowOp, sinkOf: (slot: Slot) => ConflictSink): void {
    const table = this.#table(relationId(op.relation));
    table.truncates.push(by);
    table.ground = table.ground.fold(by, op, IGNORE_CONFLICTS);
    const slots = [...table.slots.values()];
    for (const slot of slots) this.#foldSlot(slot, by, op, sinkOf(slot));
    this.#touch(by, slots);
  }

  /** Forgets what every member has. Work is proportional to what became stable. */
  prune(stable: VersionVector): void {
    const isStable = (by: TransactionHeader): boolean =>
      sequenceOf(stable, by.replica) >= by.sequence;
    const settled = new Set<Slot>();
    for (const [replica, queue] of this.#touched) {
      const limit = sequenceOf(stable, replica);
      let done = 0;
      for (const entry of queue) {
        if (entry.sequence > limit) break;
        for (const slot of entry.slots) settled.add(slot);
        done++;
      }
      if (done > 0) queue.splice(0, done);
    }
    for (const slot of this.#returned) settled.add(slot);
    for (const table of this.#relations.values()) this.#pruneTruncates(table, isStable);
    for (const slot of settled) this.#pruneSlot(slot, isStable);
  }

  /**
   * Up to `limit` slots to put aside, oldest first: nothing in doubt, and nothing that a local write
   * still to be captured could turn out not to have seen (`captured` is what capture's markers cover).
   */
  evictable(limit: number, captured: VersionVector): readonly Slot[] {
    const slots: Slot[] = [];
    for (const [id, table] of this.#relations) {
      for (const slot of table.slots.values()) {
        if (slots.length >= limit) return slots;
        const seen = slot.state.latest.every(
          ({ replica, sequence }) =>
            replica === this.#own || sequenceOf(captured, replica) >= sequence,
        );
        if (seen && !this.#dirty.has(`${id}\u0000${slot.key}`)) slots.push(slot);
      }
    }
    return slots;
  }

  /** From now on a new slot may have an older part in the spill. */
  beginSpilling(): void {
    this.#spilling = true;
  }

  /** The spill is empty, or all of it is stable: no slot has an older part any more. */
  endSpilling(): void {
    this.#spilling = false;
    for (const table of this.#relations.values()) {
      for (const slot of table.slots.values()) slot.since = null;
    }
  }

  /** Takes slots out of memory that are in the spill as they are. */
  evict(slots: readonly Slot[]): void {
    for (const slot of slots) {
      slot.evicted = true;
      this.#returned.delete(slot);
      if (this.#relations.get(relationId(slot.relation))?.slots.delete(slot.key) === true) {
        this.#size--;
      }
    }
    for (const queue of this.#touched.values()) {
      const kept = queue.filter((entry) => entry.slots.some((slot) => !slot.evicted));
      queue.length = 0;
      for (const entry of kept) queue.push(entry);
    }
  }

  /** Puts an older part from the spill under what has been folded since. */
  reunite(
    relation: Relation,
    key: RowKey,
    older: KeyState,
    sinkOf: (slot: Slot) => ConflictSink,
  ): void {
    const table = this.#table(relationId(relation));
    const slot = this.#slotOf(table, relation, key);
    let state = older;
    for (const by of table.truncates) {
      state = state.fold(by, { kind: 'truncate', relation }, IGNORE_CONFLICTS);
    }
    for (const { by, op } of slot.since ?? []) {
      if (this.#isLate(state, by)) this.markDirty(slot);
      state = state.fold(by, op, sinkOf(slot));
    }
    slot.state = state;
    slot.since = null;
    slot.changes++;
    this.#returned.add(slot);
  }

  /** Slots that may have an older part in the spill. */
  partialSlots(): readonly Slot[] {
    const slots: Slot[] = [];
    for (const table of this.#relations.values()) {
      for (const slot of table.slots.values()) if (slot.since !== null) slots.push(slot);
    }
    return slots;
  }

  /** The spill holds nothing older for this slot. */
  complete(slot: Slot): void {
    slot.since = null;
  }

  #fold(
    transaction: ChangeTransaction,
    sinkOf: (slot: Slot) => ConflictSink,
    folded: (slot: Slot, late: boolean) => void,
  ): void {
    const slots: Slot[] = [];
    for (const op of transaction.ops) {
      const table = this.#table(relationId(op.relation));
      if (op.kind === 'truncate') {
        table.truncates.push(transaction);
        table.ground = table.ground.fold(transaction, op, IGNORE_CONFLICTS);
        for (const slot of table.slots.values()) {
          folded(slot, this.#foldSlot(slot, transaction, op, sinkOf(slot)));
          slots.push(slot);
        }
        continue;
      }
      const slot = this.#slotOf(table, op.relation, op.key);
      folded(slot, this.#foldSlot(slot, transaction, op, sinkOf(slot)));
      slots.push(slot);
    }
    this.#touch(transaction, slots);
  }

  /** Returns whether own and remote operations on this row had not seen each other. */
  #foldSlot(slot: Slot, by: TransactionHeader, op: RowOp, sink: ConflictSink): boolean {
    const late = this.#isLate(slot.state, by);
    slot.state = slot.state.fold(by, op, sink);
    slot.since?.push({ by, op });
    slot.changes++;
    return late;
  }

  #isLate(state: KeyState, by: TransactionHeader): boolean {
    const own = by.replica === this.#own;
    return state.latest.some((other) => (other.replica === this.#own) !== own && unseen(other, by));
  }

  #touch(by: TransactionHeader, slots: Slot[]): void {
    let queue = this.#touched.get(by.replica);
    if (queue === undefined) this.#touched.set(by.replica, (queue = []));
    const last = queue.at(-1);
    if (last?.sequence === by.sequence) for (const slot of slots) last.slots.push(slot);
    else queue.push({ sequence: by.sequence, slots });
  }

  #table(id: string): RelationIndex {
    let table = this.#relations.get(id);
    if (table === undefined) {
      table = { slots: new Map(), ground: KeyState.EMPTY, truncates: [] };
      this.#relations.set(id, table);
    }
    return table;
  }

  #slotOf(table: RelationIndex, relation: Relation, key: RowKey): Slot {
    let slot = table.slots.get(key);
    if (slot === undefined) {
      slot = this.#newSlot(table, relation, key);
      table.slots.set(key, slot);
      this.#size++;
    }
    return slot;
  }

  #newSlot(table: RelationIndex, relation: Relation, key: RowKey): Slot {
    const since = this.#spilling ? [] : null;
    const counts = { xid: null, ownFolds: 0, changes: 0, since, evicted: false };
    return { relation, key, state: table.ground, ...counts };
  }

  #pruneTruncates(table: RelationIndex, isStable: (by: TransactionHeader) => boolean): void {
    if (table.truncates.length === 0 || !table.truncates.every(isStable)) return;
    table.truncates.length = 0;
    table.ground = KeyState.EMPTY;
  }

  #pruneSlot(slot: Slot, isStable: (by: TransactionHeader) => boolean): void {
    const pruned = slot.state.prune(isStable);
    slot.changes++;
    if (pruned !== null) {
      slot.state = pruned;
      return;
    }
    slot.state = KeyState.EMPTY;
    this.#returned.delete(slot);
    const table = this.#relations.get(relationId(slot.relation));
    // The slot may have been forgotten and made anew since this transaction touched it.
    if (table?.slots.get(slot.key) !== slot) return;
    table.slots.delete(slot.key);
    this.#size--;
  }
}

function unseen(earlier: TransactionHeader, later: TransactionHeader): boolean {
  return sequenceOf(later.deps, earlier.replica) < earlier.sequence;
}
