import { mutant } from '#core/mutant.ts';
import type { PgText } from '#core/relation.ts';
import { compareStamps, happenedBefore } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import type { Rivalry } from '#conflict/frontier.ts';

/** One write's word on whether the row exists: inserts and updates say yes, deletes and TRUNCATE no. */
export interface Claim {
  readonly by: TransactionHeader;
  readonly op: RowOp;
  /** The unstable inserts that the writer had seen: TRUNCATE spares a row with one that it had not. */
  readonly births: readonly TransactionHeader[];
}

/** How claims contradict each other, as conflict records of the row itself (column `*`). */
export function claimRivalry(sink: ConflictSink): Rivalry<Claim> {
  return {
    contradict,
    open(left, right) {
      const truncates = left.op.kind === 'truncate' || right.op.kind === 'truncate';
      sink.add('*', truncates ? 'truncate' : 'update-delete', contender(left), contender(right));
    },
    close: (left, right) => sink.retract('*', left, right),
  };
}

/**
 * The claim that `op` makes; `births` are the row's unstable inserts. Not taken from the superseded
 * claims: which claims those are depends on what else has arrived.
 */
export function claimOf(
  by: TransactionHeader,
  op: RowOp,
  births: readonly TransactionHeader[],
): Claim {
  const seen = births.length === 0 ? births : births.filter((birth) => happenedBefore(birth, by));
  return { by, op, births: op.kind === 'insert' ? [...seen, by] : seen };
}

/**
 * Whether the row exists: the greatest claim decides, except that TRUNCATE beats every concurrent
 * change of a row it had seen and spares a row whose insert it had not (hazards T13). Undefined when
 * nothing unstable speaks about it.
 */
export function decideExistence(claims: readonly Claim[]): boolean | undefined {
  if (claims.length === 0) return undefined;
  const truncates = claims.filter((claim) => claim.op.kind === 'truncate');
  let best: Claim | undefined;
  for (const claim of claims) {
    if (claim.op.kind === 'truncate' || (isAlive(claim) && isTruncated(claim, truncates))) continue;
    if (best === undefined || compareStamps(claim.by, best.by) > 0) best = claim;
  }
  return best !== undefined && isAlive(best);
}

/** True when an undecided deletion may still be overruled, and the row brought back from its image. */
export function mayRevive(claims: readonly Claim[]): boolean {
  return claims.some((claim) => !isAlive(claim));
}

function isAlive(claim: Claim): boolean {
  return claim.op.kind === 'insert' || claim.op.kind === 'update';
}

// A stable insert is one that every later TRUNCATE has seen, so only unstable ones can spare the row.
function isTruncated(claim: Claim, truncates: readonly Claim[]): boolean {
  if (mutant('truncate-takes-unseen')) return truncates.length > 0;
  return truncates.some((t) => claim.births.every((birth) => happenedBefore(birth, t.by)));
}

// An insert that TRUNCATE never saw is not contradicted by it.
function contradict(left: Claim, right: Claim): boolean {
  if (isAlive(left) === isAlive(right)) return false;
  const truncate = left.op.kind === 'truncate' ? left : right;
  if (truncate.op.kind !== 'truncate') return true;
  return isTruncated(truncate === left ? right : left, [truncate]);
}

function contender(claim: Claim) {
  const { by, op } = claim;
  return { by, value: () => describe(op), prevails: op.kind === 'truncate' };
}

/** The operation as JSON, so that a person can see and restore what lost. */
export function describe(op: RowOp): PgText {
  switch (op.kind) {
    case 'truncate':
      return JSON.stringify({ truncate: true });
    case 'insert':
    case 'delete': {
      const pairs = op.relation.columns.map((column, at) => [column.name, op.values[at] ?? null]);
      return JSON.stringify({ [op.kind]: Object.fromEntries(pairs) });
    }
    default: {
      const pairs = op.columns.map((at, cell) => [op.relation.columns[at]?.name, op.cells[cell]]);
      return JSON.stringify({ update: Object.fromEntries(pairs) });
    }
  }
}
