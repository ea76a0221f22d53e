import type { Backend } from '#sim/pg/backend.ts';
import { addLock, conflictingHolders, holdsLock, rowLocksConflict } from '#sim/pg/row-version.ts';
import type { RowLockMode, RowVersion } from '#sim/pg/row-version.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import { isAborted, isRunning } from '#sim/pg/transaction.ts';
import type { Xact } from '#sim/pg/transaction.ts';
import { assignXid } from '#sim/pg/transaction-end.ts';
import type { Step } from '#sim/pg/wait.ts';

/**
 * Waits until nobody is in the way of this version, and follows it to the newest one. Under READ
 * COMMITTED `matches` is asked again for a version that was not in the snapshot (EvalPlanQual); a row
 * that was deleted meanwhile, or no longer matches, gives null. So does delete + insert of the same
 * key: the new row is another one (hazards F1).
 */
export function* reach(
  backend: Backend,
  seen: RowVersion,
  mode: RowLockMode,
  matches: (version: RowVersion) => boolean,
): Step<RowVersion | null> {
  const { transaction } = backend;
  let version = seen;
  for (;;) {
    if (!isFree(backend, version)) yield* waitForHolders(backend, version, mode);
    const { xmax } = version;
    if (xmax === null || isAborted(xmax)) {
      version.xmax = null;
      version.next = null;
      return version === seen || matches(version) ? version : null;
    }
    // An update that only a key-share lock does not mind is still in progress: it keeps that lock.
    if (isRunning(xmax) && xmax.top !== transaction.top) return version;
    // By this statement, or by an earlier one of this transaction behind a version it met by itself.
    if (xmax.top === transaction.top) {
      if (version.cmax >= transaction.command || version.next === null) return null;
    } else if (transaction.isolation === 'repeatable read') {
      throw new SqlError('40001', 'could not serialize access due to concurrent update');
    }
    if (version.next === null) return null;
    version = version.next;
  }
}

/** Takes the lock; the version must be reached. A newer version that an update is making is locked too. */
export function holdRow(backend: Backend, version: RowVersion, mode: RowLockMode): void {
  assignXid(backend);
  for (let at: RowVersion | null = version; at !== null; at = at.next) {
    addLock(at, backend.transaction.current, mode);
  }
}

/** Nobody has ever asked for it: the usual case, which needs no closer look. */
function isFree(backend: Backend, { xmax, lockers }: RowVersion): boolean {
  return xmax === null && lockers === null && backend.core.waits.count === 0;
}

function* waitForHolders(backend: Backend, version: RowVersion, mode: RowLockMode): Step<void> {
  const { core, transaction } = backend;
  const { waits } = core;
  const own = transaction.top;
  // Who was woken stood first in the queue.
  for (let queues = true; ; queues = false) {
    const holders = conflictingHolders(version, mode, own);
    const queued =
      queues &&
      holders.length === 0 &&
      waits.count > 0 &&
      !holdsLock(version, own) &&
      isHeldByNobodyElse(version, own) &&
      waits.hasOthers(backend, version, mode, rowLocksConflict);
    if (holders.length === 0 && !queued) return;
    yield {
      kind: 'lock',
      target: version,
      mode,
      conflicts: rowLocksConflict,
      holders: () => backendsOf(conflictingHolders(version, mode, own)),
    };
  }
}

// Once it is settled who changed it, the queue of the old version is of no more interest.
function isHeldByNobodyElse(version: RowVersion, own: Xact): boolean {
  return version.xmax === null || (version.xmax.top !== own && isAborted(version.xmax));
}

/** Waits for the end of a transaction, by whatever it is in the way. */
export function* waitForEnd(backend: Backend, xact: Xact): Step<void> {
  while (isRunning(xact)) {
    yield {
      kind: 'lock',
      target: xact,
      mode: 0,
      conflicts: () => false,
      holders: () => (isRunning(xact) ? backendsOf([xact]) : []),
    };
  }
}

function backendsOf(holders: readonly Xact[]): readonly object[] {
  return holders.flatMap(({ backend }) => (backend === null ? [] : [backend]));
}
