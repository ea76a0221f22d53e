import { mutant } from '#core/mutant.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ChangeTransaction, Piece, RowOp } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { Signal } from '#replicator/engine/signal.ts';

/** What a copy's reader hands to apply, in the origin's order. */
export type InboxItem =
  | {
      readonly kind: 'transaction';
      readonly transaction: ChangeTransaction;
      readonly piece: Piece;
      readonly bytes: number;
    }
  | {
      readonly kind: 'heartbeat';
      readonly replica: ReplicaId;
      readonly sequence: number;
      readonly vector: VersionVector;
      readonly bytes: number;
    };

export interface Observation {
  readonly region: RegionId;
  readonly replica: ReplicaId;
  readonly sequence: number;
  readonly vector: VersionVector;
}

/** What one batch may hold; a transaction that is larger goes alone. */
export interface SelectionLimits {
  /** Different rows: operations on one row fold to one write. */
  readonly rows: number;
  readonly operations: number;
}

export interface Selection {
  readonly transactions: readonly ChangeTransaction[];
  /** What the stability matrix learns once they are applied. */
  readonly observations: readonly Observation[];
  readonly vector: VersionVector;
  /** An origin whose next transaction comes in pieces and can begin now: it is applied by itself. */
  readonly large: RegionId | null;
  /** Items taken per origin; `accept` removes them. */
  readonly taken: ReadonlyMap<RegionId, number>;
}

interface Queue {
  readonly items: InboxItem[];
  head: number;
  bytes: number;
  readonly space: Signal;
}

/** Transactions that are durable here and wait for their turn; bounded in bytes per origin. */
export class Inbox {
  readonly #queues = new Map<RegionId, Queue>();
  readonly #maxBytes: number;
  readonly arrived = new Signal();
  /** An origin whose next transaction needs a batch of its own: it goes first in the next one. */
  #passedOver: RegionId | null = null;

  constructor(origins: readonly RegionId[], maxBytes: number) {
    this.#maxBytes = Math.floor(maxBytes / Math.max(origins.length, 1));
    for (const origin of origins) {
      this.#queues.set(origin, { items: [], head: 0, bytes: 0, space: new Signal() });
    }
  }

  depth(origin: RegionId): { readonly items: number; readonly bytes: number } {
    const queue = this.#queues.get(origin);
    return queue === undefined
      ? { items: 0, bytes: 0 }
      : { items: queue.items.length - queue.head, bytes: queue.bytes };
  }

  /** Commit time of the transaction that has waited longest; null when none waits. */
  oldestUs(origin: RegionId): number | null {
    const queue = this.#queues.get(origin);
    const item = queue?.items[queue.head];
    return item?.kind === 'transaction' ? item.transaction.commitTimeUs : null;
  }

  /** Queues items, waiting first while the queue is over its bound. */
  async offer(origin: RegionId, items: readonly InboxItem[], signal: AbortSignal): Promise<void> {
    const queue = this.#queues.get(origin);
    if (queue === undefined) return;
    while (queue.bytes > this.#maxBytes && !signal.aborted) await queue.space.wait(signal);
    for (const item of items) {
      queue.items.push(item);
      queue.bytes += item.bytes;
    }
    this.arrived.raise();
  }

  /**
   * Whole transactions in causal order, within `limits`, from the given origins. `applied` includes this
   * region's own captured sequence: what a peer saw of us, we must have folded.
   */
  select(
    applied: VersionVector,
    origins: readonly RegionId[],
    limits: SelectionLimits,
    wholeUpTo: (origin: RegionId) => number,
  ): Selection {
    // No more than half of what may wait: the rest of it arrives while this is being applied.
    const bytes = this.#maxBytes / 2;
    const pick = new Pick(applied, { ...limits, bytes }, wholeUpTo);
    let moved = true;
    while (moved && !pick.isFull) {
      moved = false;
      for (const region of this.#turns(origins)) {
        const queue = this.#queues.get(region);
        if (queue === undefined) continue;
        const before = pick.taken.get(region) ?? 0;
        const taken = pick.from(region, queue, before);
        pick.taken.set(region, taken);
        if (taken > before) moved = true;
        if (pick.isFull) break;
      }
    }
    this.#passedOver = pick.passedOver;
    const { transactions, observations, vector, large, taken } = pick;
    return { transactions, observations, vector, large, taken };
  }

  #turns(origins: readonly RegionId[]): readonly RegionId[] {
    const first = this.#passedOver;
    if (first === null || !origins.includes(first)) return origins;
    return [first, ...origins.filter((origin) => origin !== first)];
  }

  /** The header of the next transaction that waits, past heartbeats. */
  peek(origin: RegionId): ChangeTransaction | null {
    const queue = this.#queues.get(origin);
    for (let at = queue?.head ?? 0; ; at++) {
      const item = queue?.items[at];
      if (item === undefined) return null;
      if (item.kind === 'transaction') return item.transaction;
    }
  }

  /** Takes the next piece of a large transaction, waiting for it to arrive. */
  async takePiece(
    origin: RegionId,
    signal: AbortSignal,
  ): Promise<{ readonly transaction: ChangeTransaction; readonly piece: Piece } | null> {
    const queue = this.#queues.get(origin);
    while (queue !== undefined && !signal.aborted) {
      const item = queue.items[queue.head];
      if (item === undefined) {
        await this.arrived.wait(signal);
        continue;
      }
      this.#remove(queue, 1);
      if (item.kind === 'transaction') return item;
    }
    return null;
  }

  /** The selection is applied. */
  accept({ taken }: Selection): void {
    for (const [region, count] of taken) {
      const queue = this.#queues.get(region);
      if (queue === undefined || count === 0) continue;
      this.#remove(queue, count);
    }
  }

  #remove(queue: Queue, count: number): void {
    for (let at = queue.head; at < queue.head + count; at++) {
      queue.bytes -= queue.items[at]?.bytes ?? 0;
    }
    queue.head += count;
    if (queue.head > 1024 && queue.head * 2 > queue.items.length) {
      queue.items.splice(0, queue.head);
      queue.head = 0;
    }
    queue.space.raise();
  }
}

/** One selection in the making. */
class Pick {
  readonly vector: Map<ReplicaId, number>;
  readonly transactions: ChangeTransaction[] = [];
  readonly observations: Observation[] = [];
  readonly taken = new Map<RegionId, number>();
  large: RegionId | null = null;
  passedOver: RegionId | null = null;
  readonly #limits: SelectionLimits & { readonly bytes: number };
  readonly #wholeUpTo: (origin: RegionId) => number;
  readonly #rows = new DistinctRows();
  #operations = 0;
  #bytes = 0;
  #alone = false;

  constructor(
    applied: VersionVector,
    limits: SelectionLimits & { readonly bytes: number },
    wholeUpTo: (origin: RegionId) => number,
  ) {
    this.vector = new Map(applied);
    this.#limits = limits;
    this.#wholeUpTo = wholeUpTo;
  }

  get isFull(): boolean {
    const { rows, operations, bytes } = this.#limits;
    const within = this.#rows.count < rows && this.#operations < operations && this.#bytes < bytes;
    return !within || this.#alone || this.large !== null;
  }

  /** Takes what it can of one origin, from its `skip`th item on; returns how many are taken in all. */
  from(region: RegionId, queue: Queue, skip: number): number {
    let last: Observation | null = null;
    let at = queue.head + skip;
    for (let item = queue.items[at]; item !== undefined && !this.isFull; item = queue.items[at]) {
      if (item.kind === 'heartbeat') last = { region, ...item };
      else if (item.transaction.sequence > sequenceOf(this.vector, item.transaction.replica)) {
        if (!this.#admits(region, item)) break;
        const { replica, sequence, deps: vector } = item.transaction;
        this.vector.set(replica, sequence);
        this.transactions.push(item.transaction);
        last = { region, replica, sequence, vector };
      }
      at++;
    }
    if (last !== null) this.observations.push(last);
    return at - queue.head;
  }

  #admits(
    region: RegionId,
    { transaction, piece, bytes }: Extract<InboxItem, { kind: 'transaction' }>,
  ): boolean {
    const { replica, sequence, deps, ops } = transaction;
    if (sequence > sequenceOf(this.vector, replica) + 1 || !ready(this.vector, deps)) return false;
    if (piece.part > 0) {
      // Its last piece may never come: begun too early it would hold everything up.
      if (sequence > this.#wholeUpTo(region)) return false;
      if (this.transactions.length === 0) this.large = region;
      else this.passedOver ??= region;
      return false;
    }
    // TRUNCATE looks at the whole table, and a transaction larger than the limit goes alone as well.
    const alone = ops.some((op) => op.kind === 'truncate');
    if (this.transactions.length > 0 && (alone || !this.#fits(ops))) {
      this.passedOver ??= region;
      return false;
    }
    this.#alone = alone;
    this.#rows.add(ops);
    this.#operations += ops.length;
    this.#bytes += bytes;
    return true;
  }

  #fits(ops: readonly RowOp[]): boolean {
    const { rows, operations } = this.#limits;
    if (this.#operations + ops.length > operations) return false;
    const room = rows - this.#rows.count;
    return ops.length <= room || this.#rows.fresh(ops) <= room;
  }
}

/** The different rows that a selection writes. */
class DistinctRows {
  readonly #tables = new Map<string, Set<RowKey>>();
  count = 0;

  add(ops: readonly RowOp[]): void {
    for (const op of ops) {
      if (op.kind === 'truncate') continue;
      const keys = this.#keys(op);
      const before = keys.size;
      keys.add(op.key);
      this.count += keys.size - before;
    }
  }

  /** At most so many of them are new. */
  fresh(ops: readonly RowOp[]): number {
    let fresh = 0;
    for (const op of ops) if (op.kind !== 'truncate' && !this.#keys(op).has(op.key)) fresh++;
    return fresh;
  }

  #keys({ relation }: RowOp): Set<RowKey> {
    const id = relationId(relation);
    let keys = this.#tables.get(id);
    if (keys === undefined) this.#tables.set(id, (keys = new Set()));
    return keys;
  }
}

function ready(vector: VersionVector, deps: VersionVector): boolean {
  if (mutant('causal-order-ignored')) return true;
  for (const [replica, sequence] of deps) if (sequenceOf(vector, replica) < sequence) return false;
  return true;
}
