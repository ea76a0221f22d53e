import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addDecimals } from '#core/decimal.ts';
import type { PgText } from '#core/relation.ts';
import { isDelta } from '#conflict/column-type.ts';
import { columnType } from '#conflict/column-types.ts';
import { counterType } from '#conflict/families/counter.ts';
import { registerType as lwwType } from '#conflict/families/register.ts';
import type { DeltaCell } from '#core/transaction.ts';

const number = fc
  .tuple(
    fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }),
    fc.constantFrom('', '.5', '.25', '.00'),
  )
  .map(([whole, fraction]) => `${whole}${fraction}`);
const value: fc.Arbitrary<PgText> = fc.oneof(
  { weight: 4, arbitrary: number },
  fc.constantFrom(null, 'NaN', 'Infinity', '-Infinity'),
);
const delta: fc.Arbitrary<DeltaCell> = number.map((amount) => ({ kind: 'add', amount }));

function sameNumber(left: PgText, right: PgText): boolean {
  if (left === right) return true;
  return left !== null && right !== null && /^-?0(\.0+)?$/.test(difference(left, right));
}

function difference(left: string, right: string): string {
  return addDecimals(left, right.startsWith('-') ? right.slice(1) : `-${right}`);
}

test('deltas commute', () => {
  fc.assert(
    fc.property(value, delta, delta, (v, a, b) => {
      expect(counterType.apply(counterType.apply(v, a), b)).toBe(
        counterType.apply(counterType.apply(v, b), a),
      );
    }),
  );
});

test('what diff reads off an UPDATE gives the new value back', () => {
  fc.assert(
    fc.property(value, value, (before, after) => {
      const cell = counterType.diff(before, after);
      if (cell === undefined) expect(sameNumber(before, after)).toBe(true);
      else if (isDelta(cell)) expect(sameNumber(counterType.apply(before, cell), after)).toBe(true);
      else expect(cell).toBe(after);
    }),
  );
});

test('a counter says the difference between two numbers, and assigns only what adding cannot reach', () => {
  fc.assert(
    fc.property(value, value, (before, after) => {
      const special = (v: PgText): boolean => v === null || /[NI]/.test(v);
      const cell = counterType.diff(before, after);
      if (cell === undefined || special(before) || special(after)) {
        expect(cell === undefined || !isDelta(cell)).toBe(true);
      } else expect(isDelta(cell)).toBe(true);
    }),
  );
  expect(counterType.diff('1.0', '1.00')).toBeUndefined();
  expect(counterType.diff('5', '3')).toEqual({ kind: 'add', amount: '-2' });
  expect(counterType.diff('5', null)).toBeNull();
  expect(counterType.diff(null, '3')).toBe('3');
  expect(counterType.diff('1', 'NaN')).toBe('NaN');
});

test('nothing changed is nothing said', () => {
  fc.assert(
    fc.property(value, (v) => {
      expect(counterType.diff(v, v)).toBeUndefined();
      expect(lwwType.diff(v, v)).toBeUndefined();
    }),
  );
});

test('nothing can be added to NULL, NaN or Infinity', () => {
  fc.assert(
    fc.property(delta, (d) => {
      for (const v of [null, 'NaN', 'Infinity', '-Infinity'])
        expect(counterType.apply(v, d)).toBe(v);
    }),
  );
});

test('a register assigns every change, texts that look like numbers too', () => {
  expect(lwwType.diff('1.0', '1.00')).toBe('1.00');
  expect(lwwType.diff('1', null)).toBeNull();
  expect(columnType(undefined)).toBe(lwwType);
  expect(columnType('counter')).toBe(counterType);
});
