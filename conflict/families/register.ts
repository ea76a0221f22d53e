import { addDecimals, isFiniteDecimal } from '#core/decimal.ts';
import { mutant } from '#core/mutant.ts';
import type { PgText } from '#core/relation.ts';
import { compareStamps, happenedBefore } from '#core/transaction.ts';
import type { DeltaCell } from '#core/transaction.ts';
import type { Assignment, ColumnState } from '#conflict/column-state.ts';
import type { Base, ColumnType, Verdict } from '#conflict/column-type.ts';

/** Last writer wins: every change is an assignment. */
export const registerType: ColumnType = {
  text: 'lww',
  joinsAssignments: false,
  diff: (before, after) => (before === after ? undefined : after),
  normal: (value) => value,
  apply: added,
  project: projectSum,
  judge: byStamp,
  judgePart: byStamp,
};

/** The greatest assignment's value, and every amount that it had not seen (hazards T13). */
export function projectSum(column: ColumnState, base: Base): PgText {
  const winner = latest(column.beginnings(base));
  const has =
    winner === undefined ? base.has : (by: Assignment['by']) => happenedBefore(by, winner.by);
  let value = winner === undefined ? base.value : winner.folded;
  for (let at = column.deltas; at !== null; at = at.rest) {
    if (!has(at.by) || mutant('seen-deltas-counted')) value = added(value, at.cell);
  }
  return value;
}

/** Nothing can be added to NULL, NaN or Infinity; and only amounts are added. */
export function added(value: PgText, delta: DeltaCell): PgText {
  if (delta.kind !== 'add' || value === null || !isFiniteDecimal(value)) return value;
  return addDecimals(value, delta.amount);
}

/** The later of two values stands; equal ones lose nothing. */
export function byStamp(left: PgText, right: PgText): Verdict {
  return left === right ? 'agree' : 'stamp';
}

/** The assignment with the greatest stamp. */
export function latest(assignments: readonly Assignment[]): Assignment | undefined {
  let best: Assignment | undefined;
  for (const candidate of assignments) {
    const arrival = mutant('winner-by-arrival');
    if (best === undefined || arrival || compareStamps(candidate.by, best.by) > 0) best = candidate;
  }
  return best;
}
