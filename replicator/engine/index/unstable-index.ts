import { mutant } from '#core/mutant.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { KeyState } from '#conflict/key-state.ts';
import { Slot } from '#replicator/engine/index/slot.ts';
import type { Told } from '#replicator/engine/index/slot.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { happenedBefore } from '#core/transaction.ts';
import type { ChangeTransaction, RowOp, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ReplicaId } from '#core/region.ts';

interface RelationIndex {
  readonly slots: Map<RowKey, Slot>;
  /** What a row without a slot starts from: the unstable TRUNCATEs of its table. */
  ground: KeyState;
  readonly truncates: TransactionHeader[];
}

/** Two columns, one entry per touch: an object for each would weigh as much as the slot. */
interface TouchQueue {
  sequences: number[];
  slots: Slot[];
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
  readonly #touched = new Map<ReplicaId, TouchQueue>();
  readonly #dirty = new Map<string, DirtyKey>();
  /** Slots that came back from the spill: their transactions' entries in #touched are gone. */
  readonly #returned = new Set<Slot>();
  /** Slots that hold something stable beside something that is not: a rebuild must fold both. */
  readonly #lingering = new Set<Slot>();
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

  /** What a row without a slot starts from. */
  ground(relation: string): KeyState {
    return this.#relations.get(relation)?.ground ?? KeyState.EMPTY;
  }

  /** True when a row without a slot is one of which nothing unstable is known. */
  isBlank(relation: string): boolean {
    return (this.#relations.get(relation)?.ground ?? KeyState.EMPTY) === KeyState.EMPTY;
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
      if (late && !mutant('late-rule-off')) this.markDirty(slot);
    });
  }

  /**
   * Folds a logged transaction at start. Which concurrent writes met unfenced before the crash is not
   * known, so every row with concurrent own and remote operations is dirty (hazards F3).
   */
  rebuild(transaction: ChangeTransaction, sinkOf: (slot: Slot) => ConflictSink): void {
    this.#fold(transaction, sinkOf, (slot, late) => {
      if (late && !mutant('dirty-at-rebuild-off')) this.markDirty(slot);
    });
  }

  /** The first thing known of a row: one operation of the batch that wrote it. */
  settleFirst(relation: Relation, key: RowKey, told: Told): void {
    const slot = this.#slotOf(this.#table(relationId(relation)), relation, key);
    slot.fold(told, () => IGNORE_CONFLICTS);
    this.#touch(told.by, slot);
  }

  /** A row's state, computed from the one it had. */
  settle(relation: Relation, key: RowKey, by: readonly TransactionHeader[], state: KeyState): void {
    const slot = this.#slotOf(this.#table(relationId(relation)), relation, key);
    slot.replace(state);
    for (const header of by) this.#touch(header, slot);
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

  /** A row that could not be projected now waits behind the others. */
  postpone(key: DirtyKey): void {
    const id = `${relationId(key.relation)}\u0000${key.key}`;
    if (this.#dirty.delete(id)) this.#dirty.set(id, key);
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
    for (const slot of table.slots.values()) {
      this.#foldSlot(slot, by, op, sinkOf);
      this.#touch(by, slot);
    }
  }

  /** Forgets what every member has. Work is proportional to what became stable. */
  prune(stable: VersionVector): void {
    const isStable = (by: TransactionHeader): boolean =>
      sequenceOf(stable, by.replica) >= by.sequence;
    const settled = new Set<Slot>();
    for (const [replica, queue] of this.#touched) {
      const limit = sequenceOf(stable, replica);
      let done = 0;
      while (done < queue.sequences.length && (queue.sequences[done] ?? 0) <= limit) {
        const slot = queue.slots[done];
        if (slot !== undefined) settled.add(slot);
        done++;
      }
      if (done === 0) continue;
      queue.sequences = queue.sequences.slice(done);
      queue.slots = queue.slots.slice(done);
    }
    for (const slot of this.#returned) settled.add(slot);
    for (const slot of this.#lingering) settled.add(slot);
    for (const table of this.#relations.values()) this.#pruneTruncates(table, isStable);
    for (const slot of settled) this.#pruneSlot(slot, isStable);
  }

  /**
   * After a rebuild, dirty rows too: the checkpoint was written when nothing was dirty, so what was
   * stable then shows in the table, and of what had been forgotten only some writes have come back.
   */
  pruneRebuilt(stable: VersionVector): void {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    this.prune(stable);
    for (const [id, key] of dirty) this.#dirty.set(id, key);
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
        const seen = slot.latest.every(
          ({ replica, sequence }) =>
            replica === this.#own || sequenceOf(captured, replica) >= sequence,
        );
        if (seen && !this.#dirty.has(`${id}\u0000${slot.key}`)) slots.push(slot);
      }
    }
    return slots;
  }

  /**
   * The greatest vector up to `stable` from which folding the log again meets everything that is
   * remembered: of two concurrent writes one may be stable and the other not, and cut apart the
   * wrong one would win (late-operations.pg.test.ts).
   */
  rebuildableFrom(stable: VersionVector): VersionVector {
    const from = new Map(stable);
    const lower = ({ replica, sequence }: TransactionHeader): void => {
      if (sequenceOf(from, replica) >= sequence) from.set(replica, sequence - 1);
    };
    for (const slot of this.#lingering) for (const header of slot.headers()) lower(header);
    for (const { truncates } of this.#relations.values()) truncates.forEach(lower);
    return from;
  }

  isDirty(relation: string, key: RowKey): boolean {
    return this.#dirty.size > 0 && this.#dirty.has(`${relation}\u0000${key}`);
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
      this.#lingering.delete(slot);
      if (this.#relations.get(relationId(slot.relation))?.slots.delete(slot.key) === true) {
        this.#size--;
      }
    }
  }

  /** Lets go of evicted slots: looks at every entry, so once after many evictions. */
  forgetEvicted(): void {
    for (const queue of this.#touched.values()) {
      const { sequences } = queue;
      queue.sequences = sequences.filter((_, at) => queue.slots[at]?.evicted === false);
      queue.slots = queue.slots.filter((slot) => !slot.evicted);
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
      // Met already: again, it would take what its own transaction inserted after it.
      if (state.claims.writes.some((claim) => happenedBefore(by, claim.by))) continue;
      state = state.fold(by, { kind: 'truncate', relation }, IGNORE_CONFLICTS);
    }
    for (const { by, op } of slot.since ?? []) {
      if (this.#isLate(state.latest, by)) this.markDirty(slot);
      state = state.fold(by, op, sinkOf(slot));
    }
    slot.replace(state);
    slot.since = null;
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
    for (const op of transaction.ops) {
      const table = this.#table(relationId(op.relation));
      if (op.kind !== 'truncate') {
        const slot = this.#slotOf(table, op.relation, op.key);
        folded(slot, this.#foldSlot(slot, transaction, op, sinkOf));
        this.#touch(transaction, slot);
        continue;
      }
      table.truncates.push(transaction);
      table.ground = table.ground.fold(transaction, op, IGNORE_CONFLICTS);
      for (const slot of table.slots.values()) {
        folded(slot, this.#foldSlot(slot, transaction, op, sinkOf));
        this.#touch(transaction, slot);
      }
    }
  }

  /**
   * Returns whether the table may show something else: own and remote operations on this row had not
   * seen each other, or an own one wrote what its column type does not let stand.
   */
  #foldSlot(
    slot: Slot,
    by: TransactionHeader,
    op: RowOp,
    sinkOf: (slot: Slot) => ConflictSink,
  ): boolean {
    const late = this.#isLate(slot.latest, by);
    slot.fold({ by, op }, sinkOf);
    const askew = 'askew' in op && op.askew === true && by.replica === this.#own;
    return late || askew;
  }

  #isLate(latest: readonly TransactionHeader[], by: TransactionHeader): boolean {
    const own = by.replica === this.#own;
    return latest.some((other) => (other.replica === this.#own) !== own && unseen(other, by));
  }

  #touch(by: TransactionHeader, slot: Slot): void {
    let queue = this.#touched.get(by.replica);
    if (queue === undefined) this.#touched.set(by.replica, (queue = { sequences: [], slots: [] }));
    queue.sequences.push(by.sequence);
    queue.slots.push(slot);
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
    const slot = new Slot(relation, key, table.ground);
    if (this.#spilling) slot.since = [];
    return slot;
  }

  #pruneTruncates(table: RelationIndex, isStable: (by: TransactionHeader) => boolean): void {
    if (table.truncates.length === 0 || !table.truncates.every(isStable)) return;
    table.truncates.length = 0;
    table.ground = KeyState.EMPTY;
  }

  #pruneSlot(slot: Slot, isStable: (by: TransactionHeader) => boolean): void {
    const id = relationId(slot.relation);
    const table = this.#relations.get(id);
    // The slot may have been forgotten and made anew since this transaction touched it.
    if (table?.slots.get(slot.key) !== slot) {
      this.#returned.delete(slot);
      this.#lingering.delete(slot);
      return;
    }
    // What a dirty row should be must be known until it is projected.
    const dirty = this.#dirty.has(`${id}\u0000${slot.key}`);
    if (dirty || slot.prune(isStable)) {
      this.#lingering.add(slot);
      return;
    }
    this.#returned.delete(slot);
    this.#lingering.delete(slot);
    table.slots.delete(slot.key);
    this.#size--;
  }
}

function unseen(earlier: TransactionHeader, later: TransactionHeader): boolean {
  return sequenceOf(later.deps, earlier.replica) < earlier.sequence;
}
