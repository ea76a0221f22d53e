import { Packr } from 'msgpackr';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { decodeState, encodeState } from '#conflict/key-state-codec.ts';
import type { EncodedState, RelationNumbers } from '#conflict/key-state-codec.ts';
import type { KeyState } from '#conflict/key-state.ts';
import { must } from '#core/assert.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ReplicaId } from '#core/region.ts';
import { covers } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Slot } from '#replicator/engine/index/slot.ts';
import type { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { LoadSpillStatement, SpilledKey } from '#replicator/engine/statement.ts';

const EVICT_STATEMENT_ROWS = 2000;
// Evicting down to this share of the limit makes room for a while: every eviction walks the index.
const EVICT_TO = 0.8;

export interface KeyName {
  readonly relation: Relation;
  readonly key: RowKey;
}

/**
 * Keeps the index within its limit while a member is away: the oldest rows' states go to a table that
 * is not logged, and come back before apply decides about them (DESIGN.md section 5).
 */
export class Spill {
  readonly #index: UnstableIndex;
  readonly #session: DatabaseSession;
  readonly #owner: string;
  readonly #maxKeys: number;
  readonly #sinkOf: (slot: Slot) => ConflictSink;
  readonly #packr = new Packr({ useRecords: false });
  readonly #relations: Relation[] = [];
  readonly #numbers: RelationNumbers = {
    numberOf: (relation) => this.#numberOf(relation),
    relation: (number) => must(this.#relations[number], 'spilled relation'),
  };
  #count = 0;
  /** Everything that any spilled state knows of: once it is stable, the spill is worthless. */
  readonly #high = new Map<ReplicaId, number>();

  constructor(
    index: UnstableIndex,
    session: DatabaseSession,
    owner: string,
    maxKeys: number,
    sinkOf: (slot: Slot) => ConflictSink,
  ) {
    this.#index = index;
    this.#session = session;
    this.#owner = owner;
    this.#maxKeys = maxKeys;
    this.#sinkOf = sinkOf;
  }

  get count(): number {
    return this.#count;
  }

  get isNeeded(): boolean {
    return this.#index.size > this.#maxKeys;
  }

  /** What an earlier incarnation left is of no use: the index is rebuilt from the log. */
  async reset(): Promise<void> {
    await this.#session.flight([{ kind: 'resetSpill', owner: null }]);
  }

  async #empty(): Promise<void> {
    await this.#session.flight([{ kind: 'resetSpill', owner: this.#owner }]);
    this.#count = 0;
    this.#high.clear();
    this.#index.endSpilling();
  }

  /**
   * Puts the oldest states aside until there is room. Only between batches: a decision must not lose
   * the state that it was made from.
   */
  async relieve(captured: VersionVector): Promise<void> {
    let excess = this.#index.size - Math.floor(this.#maxKeys * EVICT_TO);
    while (excess > 0) {
      const slots = this.#index.evictable(Math.min(excess, EVICT_STATEMENT_ROWS), captured);
      if (slots.length === 0) break;
      this.#index.beginSpilling();
      const partial = slots.filter(({ since }) => since !== null);
      if (partial.length > 0) await this.load(partial);
      excess -= await this.#putAside(slots);
    }
    this.#index.forgetEvicted();
  }

  /** Brings back what the spill holds of these rows; afterwards the index alone knows them. */
  async load(keys: Iterable<KeyName>): Promise<void> {
    if (this.#count === 0) return;
    const wanted = new Map<string, KeyName>();
    for (const name of keys) {
      const id = relationId(name.relation);
      const slot = this.#index.slot(id, name.key);
      if (slot === undefined || slot.since !== null) wanted.set(`${id}\u0000${name.key}`, name);
    }
    if (wanted.size === 0) return;
    const names = [...wanted.values()].map(({ relation, key }) => ({
      relation: relationId(relation),
      key,
    }));
    await this.#load({ kind: 'loadSpill', owner: this.#owner, keys: names, table: null });
    for (const { relation, key } of wanted.values()) {
      const slot = this.#index.slot(relationId(relation), key);
      if (slot !== undefined) this.#index.complete(slot);
    }
  }

  /** The same for a whole table, which a TRUNCATE looks at. */
  async loadTable(relation: Relation): Promise<void> {
    if (this.#count === 0) return;
    await this.#load({
      kind: 'loadSpill',
      owner: this.#owner,
      keys: null,
      table: relationId(relation),
    });
  }

  /** Empties the spill once nothing in it can be met any more. */
  async settle(stable: VersionVector): Promise<void> {
    if (this.#count > 0 && covers(stable, this.#high)) await this.#empty();
  }

  async #load(statement: LoadSpillStatement): Promise<void> {
    const [result] = await this.#session.flight([statement]);
    const rows = result?.kind === 'spilled' ? result.rows : [];
    this.#count -= rows.length;
    for (const row of rows) {
      const { relation, state } = this.#decode(row);
      this.#index.reunite(relation, row.key as RowKey, state, this.#sinkOf);
    }
  }

  async #putAside(slots: readonly Slot[]): Promise<number> {
    const changes = slots.map((slot) => slot.changes);
    for (const { latest } of slots) {
      for (const { replica, sequence } of latest) {
        if ((this.#high.get(replica) ?? 0) < sequence) this.#high.set(replica, sequence);
      }
    }
    await this.#session.flight([
      { kind: 'spill', owner: this.#owner, rows: slots.map((slot) => this.#encode(slot)) },
    ]);
    this.#count += slots.length;
    const still = slots.filter((slot, at) => slot.changes === changes[at]);
    this.#index.evict(still);
    const moved = slots.filter((slot) => !still.includes(slot));
    if (moved.length > 0) await this.#discard(moved);
    return still.length;
  }

  /** Captured meanwhile: the copy just put aside is old, and the state in memory is whole. */
  async #discard(slots: readonly Slot[]): Promise<void> {
    const keys = slots.map(({ relation, key }) => ({ relation: relationId(relation), key }));
    await this.#session.flight([{ kind: 'loadSpill', owner: this.#owner, keys, table: null }]);
    this.#count -= slots.length;
    for (const slot of slots) this.#index.complete(slot);
  }

  #encode({ relation, key, state }: Slot): SpilledKey {
    const fields = [this.#numberOf(relation), encodeState(state, this.#numbers)];
    return { relation: relationId(relation), key, state: this.#packr.pack(fields) };
  }

  #decode({ state }: SpilledKey): { readonly relation: Relation; readonly state: KeyState } {
    const [number, fields] = this.#packr.unpack(state) as readonly [number, EncodedState];
    return { relation: this.#numbers.relation(number), state: decodeState(fields, this.#numbers) };
  }

  // A frame's relation is a new object each time; equal ones share a number.
  #numberOf(relation: Relation): number {
    const known = this.#relations.findIndex((other) => sameShape(other, relation));
    return known >= 0 ? known : this.#relations.push(relation) - 1;
  }
}

function sameShape(left: Relation, right: Relation): boolean {
  if (left === right) return true;
  if (relationId(left) !== relationId(right)) return false;
  if (left.columns.length !== right.columns.length || left.rows !== right.rows) return false;
  return left.columns.every(
    ({ name, type }, at) => name === right.columns[at]?.name && type === right.columns[at]?.type,
  );
}
