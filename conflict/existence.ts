import { mutant } from '#core/mutant.ts';
import type { PgText, RowPolicy } from '#core/relation.ts';
import { compareStamps, happenedBefore } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import type { Verdict } from '#conflict/column-type.ts';
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
    contradict: (left, right) => judge(left, right) !== 'agree',
    open(left, right) {
      const kind =
        left.op.kind === 'truncate' || right.op.kind === 'truncate' ? 'truncate' : 'update-delete';
      const verdict = judge(left, right);
      const [one, other] = [
        contender(left, verdict === 'left'),
        contender(right, verdict === 'right'),
      ];
      sink.add('*', kind, one, other);
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
 * Whether the row exists. The greatest claim decides, except that TRUNCATE beats every concurrent change
 * of a row it had seen and spares a row whose insert it had not (hazards T13). So does a deletion where
 * the table says `delete-wins`; where it says `add-wins`, whatever keeps the row beats a deletion that
 * had not seen it. Undefined when nothing unstable speaks about it.
 */
export function decideExistence(claims: readonly Claim[]): boolean | undefined {
  if (claims.length === 0) return undefined;
  const policy = latestOf(claims)?.op.relation.rows;
  const wipers = claims.filter((claim) => isWiper(claim, policy));
  let words = claims.filter(
    (claim) => !wipers.includes(claim) && !(isAlive(claim) && isTruncated(claim, wipers)),
  );
  if (policy === 'add-wins' && words.some(isAlive)) words = words.filter((w) => !isDeletion(w));
  const last = latestOf(words);
  return last !== undefined && isAlive(last);
}

function latestOf(claims: readonly Claim[]): Claim | undefined {
  let best: Claim | undefined;
  for (const claim of claims) {
    if (best === undefined || compareStamps(claim.by, best.by) > 0) best = claim;
  }
  return best;
}

/** A deletion that somebody meant; one that arbitration made is no policy's business. */
function isDeletion({ op }: Claim): boolean {
  return op.kind === 'delete' && op.cause === undefined;
}

function isWiper(claim: Claim, policy: RowPolicy | undefined): boolean {
  return claim.op.kind === 'truncate' || (policy === 'delete-wins' && isDeletion(claim));
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

/** Which of two concurrent claims stands; an insert that a wiper never saw is not contradicted by it. */
function judge(left: Claim, right: Claim): Verdict {
  if (isAlive(left) === isAlive(right)) return 'agree';
  const [alive, dead] = isAlive(left) ? [left, right] : [right, left];
  const policy = latestOf([left, right])?.op.relation.rows;
  const side = (claim: Claim): Verdict => (claim === left ? 'left' : 'right');
  if (isWiper(dead, policy)) return isTruncated(alive, [dead]) ? side(dead) : 'agree';
  return policy === 'add-wins' && isDeletion(dead) ? side(alive) : 'stamp';
}

function contender(claim: Claim, prevails: boolean) {
  const { by, op } = claim;
  return { by, value: () => describe(op), prevails };
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
