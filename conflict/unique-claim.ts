import { compareStamps, concurrent } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { KeyState } from '#conflict/key-state.ts';

/** A row's claim to a value that only one row may have: by UNIQUE, or by an exclusion constraint. */
export interface UniqueClaim {
  /** The write that made the value what it is; null when that is stable, hence known to everybody. */
  readonly by: TransactionHeader | null;
  /** Unstable writes that say the row exists: a stable value can be taken up again by one of them. */
  readonly living: readonly TransactionHeader[];
}

/** What a row's state says about the columns of a constraint. */
export function claimOn(state: KeyState, columns: readonly string[]): UniqueClaim {
  let by: TransactionHeader | null = null;
  for (const name of columns) {
    const written = state.column(name)?.winner()?.by ?? insertedBy(state, name);
    if (written === undefined) continue;
    if (by === null || compareStamps(written, by) > 0) by = written;
  }
  const living = state.claims.writes
    .filter(({ op }) => op.kind === 'insert' || op.kind === 'update')
    .map((claim) => claim.by);
  return { by, living };
}

/**
 * Who keeps the value: the first claim, that is the one with the smaller stamp, so that what a user was
 * told first holds. A function of the two claims alone, so every region decides alike (hazards T9).
 * `unrelated` when one writer had seen the other's: then it is no conflict of regions, and whatever
 * stands in the way is about to change or is for a person to mend.
 */
export function arbitrate(left: UniqueClaim, right: UniqueClaim): 'left' | 'right' | 'unrelated' {
  if (left.by !== null && right.by !== null) {
    if (!concurrent(left.by, right.by)) return 'unrelated';
    return compareStamps(left.by, right.by) < 0 ? 'left' : 'right';
  }
  // A stable claim is earlier than anything unstable; it is in conflict with it only if its row was
  // kept alive, or brought back, by somebody who had not seen the other claim.
  if (right.by !== null) return isKeptAlive(left, right.by) ? 'left' : 'unrelated';
  if (left.by !== null) return isKeptAlive(right, left.by) ? 'right' : 'unrelated';
  return 'unrelated';
}

function isKeptAlive(stable: UniqueClaim, other: TransactionHeader): boolean {
  return stable.living.some((by) => concurrent(by, other));
}

function insertedBy(state: KeyState, name: string): TransactionHeader | undefined {
  const { insert } = state;
  const has = insert?.op.relation.columns.some((column) => column.name === name) === true;
  return has ? insert?.by : undefined;
}
