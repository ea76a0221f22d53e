import type { Guard } from '#replicator/engine/statement.ts';

// Past this many the oldest are dropped: their rows then take the slow path, which is always right.
const OWN_XIDS_MAX = 2000;
const XID_SPAN = 0x1_0000_0000n;

/**
 * Which row versions the index is known to hold: everything older than the horizon, and apply's own.
 * Belongs to one server incarnation: a crash gives used transaction ids out again (hazards T3).
 */
export class KnownVersions {
  #horizon: bigint | null = null;
  #own: { readonly xid: bigint }[] = [];
  readonly #pending = new Map<number, { readonly snapshotXmin: bigint }>();

  get horizon(): bigint | null {
    return this.#horizon;
  }

  get ownCount(): number {
    return this.#own.length;
  }

  /** An apply transaction of this generation wrote its marker under this snapshot. */
  wrote(generation: number, xid: number, snapshotXmin: bigint): void {
    this.#own.push({ xid: widen(xid, snapshotXmin) });
    if (this.#own.length > OWN_XIDS_MAX) this.#own.shift();
    this.#pending.set(generation, { snapshotXmin });
  }

  /** Its transaction did not commit. */
  forget(generation: number): void {
    if (this.#pending.delete(generation)) this.#own.pop();
  }

  /**
   * Capture met that marker: whatever had finished under the snapshot committed earlier in the WAL, and
   * is in the index by now.
   */
  captured(generation: number): void {
    for (const [known, { snapshotXmin }] of this.#pending) {
      if (known > generation) continue;
      this.#pending.delete(known);
      this.raise(snapshotXmin);
    }
  }

  /** The same for a mark that was written after a snapshot with this xmin. */
  raise(snapshotXmin: bigint): void {
    if (this.#horizon !== null && snapshotXmin <= this.#horizon) return;
    this.#horizon = snapshotXmin;
    this.#own = this.#own.filter(({ xid }) => xid >= snapshotXmin);
  }

  guard(): Guard {
    const horizon = this.#horizon;
    return {
      horizonXid: horizon === null ? null : Number(horizon % XID_SPAN),
      ownXids: this.#own.map(({ xid }) => Number(xid % XID_SPAN)),
    };
  }
}

// Below it are the ids of frozen rows, which are older than everything.
const FIRST_NORMAL_XID = 3;

/** True when a row version with this xmin is one of the known ones: what the guard asks in SQL. */
export function vouchesFor({ horizonXid, ownXids }: Guard, xmin: number): boolean {
  if (ownXids.includes(xmin)) return true;
  if (horizonXid === null) return false;
  // Modulo 2^32, as PostgreSQL compares them.
  return xmin < FIRST_NORMAL_XID || ((horizonXid - xmin) | 0) > 0;
}

/** The 64-bit id of a transaction that was running at, or started soon after, this snapshot. */
export function widen(xid: number, near: bigint): bigint {
  const candidate = near - (near % XID_SPAN) + BigInt(xid);
  const half = XID_SPAN / 2n;
  if (candidate + half < near) return candidate + XID_SPAN;
  if (candidate > near + half) return candidate - XID_SPAN;
  return candidate;
}
