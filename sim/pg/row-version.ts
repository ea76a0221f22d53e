import type { PgText } from '#core/relation.ts';
import type { Snapshot, Xact } from '#sim/pg/transaction.ts';
import { isAborted, isRunning, sees } from '#sim/pg/transaction.ts';

/** Row lock modes, weakest first. */
export const ROW_LOCK = { keyShare: 0, share: 1, noKeyUpdate: 2, update: 3 } as const;
export type RowLockMode = (typeof ROW_LOCK)[keyof typeof ROW_LOCK];

export interface RowLock {
  readonly xact: Xact;
  readonly mode: RowLockMode;
}

/** One version of a row. */
export class RowVersion {
  readonly values: readonly PgText[];
  readonly xmin: Xact;
  readonly cmin: number;
  /** Who updated or deleted it. */
  xmax: Xact | null = null;
  cmax = 0;
  /** How strongly an updater in progress holds it. */
  xmaxMode: RowLockMode = ROW_LOCK.update;
  /** The version an update made; null after a delete. */
  next: RowVersion | null = null;
  lockers: RowLock[] | null = null;

  constructor(values: readonly PgText[], xmin: Xact, cmin: number) {
    this.values = values;
    this.xmin = xmin;
    this.cmin = cmin;
  }
}

// PostgreSQL's table: key share meets only update; share also no-key update; the others everything above.
export function rowLocksConflict(left: number, right: number): boolean {
  if (left === ROW_LOCK.keyShare) return right === ROW_LOCK.update;
  if (right === ROW_LOCK.keyShare) return left === ROW_LOCK.update;
  return left !== ROW_LOCK.share || right !== ROW_LOCK.share;
}

export function isVisible(version: RowVersion, snapshot: Snapshot): boolean {
  const { xmin, xmax } = version;
  if (xmin.top === snapshot.top) {
    if (version.cmin >= snapshot.command || isAborted(xmin)) return false;
  } else if (!sees(snapshot, xmin)) return false;
  if (xmax === null || isAborted(xmax)) return true;
  return xmax.top === snapshot.top ? version.cmax >= snapshot.command : !sees(snapshot, xmax);
}

/** Nobody will ever see it again, not even after a crash. */
export function isDead(version: RowVersion, oldestSeq: number, flushedLsn: number): boolean {
  if (isAborted(version.xmin)) return true;
  const { xmax } = version;
  if (xmax === null || isAborted(xmax)) return false;
  return xmax.top.visibleSeq <= oldestSeq && xmax.top.commitEndLsn <= flushedLsn;
}

/** Locks of others in progress that keep this mode out. */
export function conflictingHolders(
  version: RowVersion,
  mode: RowLockMode,
  own: Xact,
): readonly Xact[] {
  const { xmax, lockers } = version;
  if (xmax === null && lockers === null) return NOBODY;
  const holders: Xact[] = [];
  if (xmax !== null && xmax.top !== own.top && isRunning(xmax)) {
    if (rowLocksConflict(version.xmaxMode, mode)) holders.push(xmax);
  }
  if (lockers !== null) {
    for (const lock of lockers) {
      if (lock.xact.top !== own.top && isRunning(lock.xact) && rowLocksConflict(lock.mode, mode)) {
        holders.push(lock.xact);
      }
    }
  }
  return holders;
}

const NOBODY: readonly Xact[] = [];

export function holdsLock(version: RowVersion, own: Xact): boolean {
  return version.lockers?.some(({ xact }) => xact.top === own.top && isRunning(xact)) ?? false;
}

export function addLock(version: RowVersion, xact: Xact, mode: RowLockMode): void {
  const kept = (version.lockers ?? []).filter((lock) => isRunning(lock.xact));
  kept.push({ xact, mode });
  version.lockers = kept;
}
