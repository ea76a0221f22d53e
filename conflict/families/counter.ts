import { isFiniteDecimal, subtractDecimals } from '#core/decimal.ts';
import type { ColumnType } from '#conflict/column-type.ts';
import { registerType } from '#conflict/families/register.ts';

/** All concurrent increments count. NULL, NaN and Infinity cannot be reached by adding: they are assigned. */
export const counterType: ColumnType = {
  ...registerType,
  text: 'counter',
  diff(before, after) {
    if (before === after) return undefined;
    if (before === null || after === null) return after;
    if (!isFiniteDecimal(before) || !isFiniteDecimal(after)) return after;
    const amount = subtractDecimals(after, before);
    // numeric 1.0 → 1.00 is a change of text only; as an assignment it would beat real increments.
    return /[1-9]/.test(amount) ? { kind: 'add', amount } : undefined;
  },
};
