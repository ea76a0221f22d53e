import type { PgText } from '#core/relation.ts';
import { happenedBefore } from '#core/transaction.ts';
import type { Cell, DeltaCell } from '#core/transaction.ts';
import type { ColumnState } from '#conflict/column-state.ts';
import type { Base, ColumnType, Verdict } from '#conflict/column-type.ts';
import { compareOrdered } from '#conflict/ordered-text.ts';

type Order = (left: string, right: string) => number;

/**
 * The furthest value ever written, in some total order; it depends neither on who saw what nor on when it
 * arrives. A value that is not further changes nothing, in its own region either. NULL is below all: the
 * first value is no assignment. Only setting it to NULL begins afresh, and undoes what that writer had
 * seen.
 */
function semilatticeType(text: string, order: Order): ColumnType {
  const join = (left: PgText, right: PgText): PgText => {
    if (left === null || right === null) return left ?? right;
    const difference = order(left, right);
    // Equal in the order but not in text (1.0, 1.00): one of them, whichever comes first.
    if (difference === 0) return left < right ? left : right;
    return difference > 0 ? left : right;
  };
  const joined = (value: PgText, delta: DeltaCell): PgText =>
    delta.kind === 'join' ? join(value, delta.value) : value;
  return {
    text,
    joinsAssignments: true,
    diff(before, after): Cell | undefined {
      if (before === after || after === null) return before === after ? undefined : null;
      // Not further: said all the same, so that the writer's own region shows what every other does.
      return { kind: 'join', value: join(before, after) ?? after };
    },
    normal: (value) => value,
    askew: (before, after) => after !== null && join(before, after) !== after,
    apply: joined,
    project(column: ColumnState, base: Base) {
      const { writes } = column.assignments;
      const beginnings = column.beginnings(base);
      let value = beginnings.length === 0 ? base.value : null;
      for (const { folded } of beginnings) value = join(value, folded);
      for (let at = column.deltas; at !== null; at = at.rest) {
        const { by, cell } = at;
        if (!writes.some((write) => happenedBefore(by, write.by))) value = joined(value, cell);
      }
      return value;
    },
    judge: (): Verdict => 'agree',
    judgePart: (): Verdict => 'agree',
  };
}

export const highestType = semilatticeType('max', compareOrdered);
export const lowestType = semilatticeType('min', (left, right) => compareOrdered(right, left));

/** Labels in the order they are listed, the last one furthest. A label that is not listed is below all. */
export function rankType(labels: readonly string[]): ColumnType {
  const places = new Map(labels.map((label, at) => [label, at]));
  const order: Order = (left, right) => {
    const difference = (places.get(left) ?? -1) - (places.get(right) ?? -1);
    if (difference !== 0 || places.has(left)) return difference;
    return left < right ? -1 : Number(left > right);
  };
  return semilatticeType(`rank(${labels.join('<')})`, order);
}
