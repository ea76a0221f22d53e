/**
 * A transaction or subtransaction as row versions refer to it. Ids are 64-bit in a number: the epoch is
 * in the upper half, rows and the stream show the lower one.
 */
export class Xact {
  readonly parent: Xact | null;
  readonly top: Xact;
  /** Who runs it; null for what was loaded or replayed. */
  readonly backend: object | null;
  /** 0 until it writes. */
  xid = 0;
  aborted = false;
  /** Of a top-level transaction: when it became visible, counted; Infinity before. */
  visibleSeq = Number.POSITIVE_INFINITY;
  /** Of a top-level transaction: where its commit record ends. */
  commitEndLsn = Number.POSITIVE_INFINITY;

  constructor(parent: Xact | null, backend: object | null) {
    this.parent = parent;
    this.top = parent === null ? this : parent.top;
    this.backend = backend;
  }
}

/** What a statement or transaction sees. */
export interface Snapshot {
  readonly seq: number;
  /** Its own transaction. */
  readonly top: Xact | null;
  /** Own row versions of earlier commands are seen. */
  readonly command: number;
}

const HALF = 0x1_0000_0000;
const FIRST_NORMAL = 3;

export function xid32(xid: number): number {
  return xid % HALF;
}

/** Ids 0 to 2 of every epoch mean something else. */
export function normalXid(xid: number): number {
  return xid % HALF < FIRST_NORMAL ? xid - (xid % HALF) + FIRST_NORMAL : xid;
}

export function isAborted(xact: Xact): boolean {
  for (let at: Xact | null = xact; at !== null; at = at.parent) if (at.aborted) return true;
  return false;
}

export function isCommitted(xact: Xact): boolean {
  return xact.top.visibleSeq !== Number.POSITIVE_INFINITY && !isAborted(xact);
}

export function isRunning(xact: Xact): boolean {
  return xact.top.visibleSeq === Number.POSITIVE_INFINITY && !isAborted(xact);
}

/** Whether the snapshot sees what this other transaction did. */
export function sees(snapshot: Snapshot, xact: Xact): boolean {
  return xact.top.visibleSeq <= snapshot.seq && !isAborted(xact);
}
