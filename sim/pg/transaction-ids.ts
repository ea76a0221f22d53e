import type { Snapshot as SnapshotFacts } from '#replicator/engine/statement.ts';
import { normalXid } from '#sim/pg/transaction.ts';
import type { Snapshot, Xact } from '#sim/pg/transaction.ts';

/** Gives ids and snapshots out: PostgreSQL's process array. */
export class TransactionIds {
  #next: number;
  /** The greatest id that ended, plus one: where snapshots end. */
  #snapshotXmax: number;
  #visibleSeq = 0;
  /** Top-level transactions with an id, in the order of their ids. */
  readonly #running = new Map<Xact, number>();
  readonly #held = new Set<Snapshot>();

  constructor(next: number) {
    this.#next = normalXid(next);
    this.#snapshotXmax = this.#next;
  }

  get next(): number {
    return this.#next;
  }

  /** Parents get theirs first. */
  assign(xact: Xact): number {
    if (xact.xid !== 0) return xact.xid;
    if (xact.parent !== null) this.assign(xact.parent);
    xact.xid = this.#next;
    this.#next = normalXid(this.#next + 1);
    if (xact.parent === null) this.#running.set(xact, xact.xid);
    return xact.xid;
  }

  snapshot(top: Xact | null, command: number): Snapshot {
    return { seq: this.#visibleSeq, top, command };
  }

  /** Keeps what this snapshot sees from being pruned. */
  hold(snapshot: Snapshot): void {
    this.#held.add(snapshot);
  }

  release(snapshot: Snapshot): void {
    this.#held.delete(snapshot);
  }

  oldestSeq(): number {
    let oldest = this.#visibleSeq;
    for (const { seq } of this.#held) if (seq < oldest) oldest = seq;
    return oldest;
  }

  /** The transaction becomes visible; `lastXid` is the greatest among it and its subtransactions. */
  committed(top: Xact, lastXid: number): number {
    this.#visibleSeq++;
    top.visibleSeq = this.#visibleSeq;
    this.#ended(top, lastXid);
    return this.#visibleSeq;
  }

  aborted(xact: Xact, lastXid: number): void {
    xact.aborted = true;
    this.#ended(xact, lastXid);
  }

  /** pg_current_snapshot(): subtransactions are not in it. */
  facts(): SnapshotFacts {
    let xmin = this.#snapshotXmax;
    const inProgress: bigint[] = [];
    for (const xid of this.#running.values()) {
      if (xid < xmin) xmin = xid;
      if (xid < this.#snapshotXmax) inProgress.push(BigInt(xid));
    }
    return { xmin: BigInt(xmin), xmax: BigInt(this.#snapshotXmax), inProgress };
  }

  xmin(): bigint {
    let xmin = this.#snapshotXmax;
    for (const xid of this.#running.values()) if (xid < xmin) xmin = xid;
    return BigInt(xmin);
  }

  /** After recovery: nothing runs, and ids that only lost WAL knew are given out again. */
  recover(next: number): void {
    this.#running.clear();
    this.#held.clear();
    this.#next = normalXid(next);
    this.#snapshotXmax = this.#next;
  }

  #ended(xact: Xact, lastXid: number): void {
    this.#running.delete(xact);
    if (lastXid >= this.#snapshotXmax) this.#snapshotXmax = normalXid(lastXid + 1);
  }
}
