import { addDecimals, isFiniteDecimal, subtractDecimals } from '#core/decimal.ts';
import type { ColumnTypeName } from '#core/settings.ts';
import type { AddCell, Cell } from '#core/transaction.ts';
import type { PgText } from '#core/relation.ts';

/** Every cell that is not a plain assignment. A new column type adds its member here and a family below. */
export type DeltaCell = AddCell;

/**
 * A column type. A column's value is always
 *
 *     winner's value ⊕ every delta that the winning assignment had not seen
 *
 * so a type only says how SQL is read (`diff`) and how a delta changes a value (`apply`).
 *
 * Laws, held by tests/conflict/delta-family.prop.test.ts:
 * - `apply` commutes: apply(apply(v, a), b) = apply(apply(v, b), a);
 * - `diff` inverts it: apply(before, diff(before, after)) = after, when diff gives a delta;
 * - `diff(v, v)` is undefined;
 * - nothing can be added to NULL: apply(null, d) = null.
 */
export interface ColumnType {
  readonly name: ColumnTypeName;
  /** What an UPDATE from `before` to `after` meant; undefined when nothing changed. */
  diff(before: PgText, after: PgText): Cell | undefined;
  /** The value with one more delta in it. */
  apply(value: PgText, delta: DeltaCell): PgText;
}

/** Last writer wins: every change is an assignment. */
export const lwwType: ColumnType = {
  name: 'lww',
  diff: (before, after) => (before === after ? undefined : after),
  apply: applyDelta,
};

/** All concurrent increments count. NULL, NaN and Infinity cannot be reached by adding: they are assigned. */
export const counterType: ColumnType = {
  name: 'counter',
  diff(before, after) {
    if (before === after) return undefined;
    if (before === null || after === null) return after;
    if (!isFiniteDecimal(before) || !isFiniteDecimal(after)) return after;
    const amount = subtractDecimals(after, before);
    // numeric 1.0 → 1.00 is a change of text only; as an assignment it would beat real increments.
    return /[1-9]/.test(amount) ? { kind: 'add', amount } : undefined;
  },
  apply: applyDelta,
};

const TYPES: Readonly<Record<ColumnTypeName, ColumnType>> = { lww: lwwType, counter: counterType };

export function columnType(name: ColumnTypeName | undefined): ColumnType {
  return TYPES[name ?? 'lww'];
}

/** Narrows a cell: assignments are plain text or NULL. */
export function isDelta(cell: Cell): cell is DeltaCell {
  return typeof cell === 'object' && cell !== null;
}

/** Deltas describe themselves, so a receiver needs no configuration to merge them. */
export function applyDelta(value: PgText, delta: DeltaCell): PgText {
  if (value === null || !isFiniteDecimal(value)) return value;
  return addDecimals(value, delta.amount);
}
