import type { ReplicaId } from '#core/region.ts';
import { compareStamps } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

/** A transaction on its way to subscribers. */
export interface FeedTransaction {
  readonly header: TransactionHeader;
  /** Null when it is larger than a gateway holds at once: subscribers must read its tables anew. */
  readonly ops: readonly RowOp[] | null;
  readonly bytes: number;
}

/** What has become visible here, and the cursor of whoever has processed it. */
export interface Release {
  readonly transaction: FeedTransaction;
  readonly cursor: VersionVector;
}

/**
 * Puts the transactions of all origins into one order in which each follows everything that its writer
 * had seen. The order differs between regions where transactions are concurrent; a cursor is a vector,
 * not a place in it.
 */
export class ReleaseOrder {
  readonly #queues = new Map<ReplicaId, FeedTransaction[]>();
  #released: VersionVector;

  constructor(released: VersionVector) {
    this.#released = released;
  }

  get released(): VersionVector {
    return this.#released;
  }

  /** Adds the next transaction of its origin; one that was released already is dropped. */
  offer(transaction: FeedTransaction): void {
    const { replica, sequence } = transaction.header;
    if (sequence <= sequenceOf(this.#released, replica)) return;
    const queue = this.#queues.get(replica);
    if (queue === undefined) this.#queues.set(replica, [transaction]);
    else queue.push(transaction);
  }

  /** Whether transactions of this replica wait. */
  waits(replica: ReplicaId): boolean {
    return (this.#queues.get(replica)?.length ?? 0) > 0;
  }

  /** The next transaction that `visible` holds, and whose dependencies were released; null when none. */
  next(visible: VersionVector): Release | null {
    let best: FeedTransaction | null = null;
    for (const [head] of this.#queues.values()) {
      if (head === undefined || !this.#mayFollow(head.header, visible)) continue;
      if (best === null || compareStamps(head.header, best.header) < 0) best = head;
    }
    if (best === null) return null;
    const { replica, sequence } = best.header;
    this.#queues.get(replica)?.shift();
    this.#released = new Map(this.#released).set(replica, sequence);
    return { transaction: best, cursor: this.#released };
  }

  #mayFollow(header: TransactionHeader, visible: VersionVector): boolean {
    if (sequenceOf(visible, header.replica) < header.sequence) return false;
    if (sequenceOf(this.#released, header.replica) + 1 !== header.sequence) return false;
    for (const [replica, sequence] of header.deps) {
      if (sequenceOf(this.#released, replica) < sequence) return false;
    }
    return true;
  }
}
