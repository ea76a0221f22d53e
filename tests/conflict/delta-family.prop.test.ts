import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyDelta, columnType, counterType, isDelta, lwwType } from '#conflict/delta-family.ts';
import type { DeltaCell } from '#conflict/delta-family.ts';
import { subtractDecimals } from '#core/decimal.ts';
import type { PgText } from '#core/relation.ts';

/** integer, bigint and numeric as PostgreSQL prints them, beyond what a double holds too. */
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.stringMatching(/^([0-9]{1,6})?$/))
  .map(([whole, fraction]) => (fraction === '' ? `${whole}` : `${whole}.${fraction}`));
const stored = fc.oneof(decimal, fc.constantFrom<PgText>(null, 'NaN', 'Infinity', '-Infinity'));
const delta = decimal.map((amount): DeltaCell => ({ kind: 'add', amount }));

test('deltas commute, whatever the value', () => {
  fc.assert(
    fc.property(stored, delta, delta, (value, a, b) => {
      expect(applyDelta(applyDelta(value, a), b)).toBe(applyDelta(applyDelta(value, b), a));
    }),
  );
});

test('the diff of a counter, applied, gives the value that was written', () => {
  fc.assert(
    fc.property(stored, stored, (before, after) => {
      const cell = counterType.diff(before, after);
      if (cell === undefined || !isDelta(cell)) return;
      const reached = counterType.apply(before, cell);
      // As numbers: 1.0 + 1 is 2.0 where 2 was written.
      expect(subtractDecimals(reached ?? '', after ?? '')).toMatch(/^-?0(\.0*)?$/);
    }),
  );
});

test('writing what is there already means nothing', () => {
  fc.assert(
    fc.property(stored, (value) => {
      expect(counterType.diff(value, value)).toBeUndefined();
      expect(lwwType.diff(value, value)).toBeUndefined();
    }),
  );
});

test('nothing can be added to NULL, NaN or Infinity', () => {
  fc.assert(
    fc.property(fc.constantFrom(null, 'NaN', 'Infinity', '-Infinity'), delta, (value, added) => {
      expect(applyDelta(value, added)).toBe(value);
    }),
  );
});

test('where no delta can say it, the change is an assignment', () => {
  expect(counterType.diff(null, '3')).toBe('3');
  expect(counterType.diff('5', null)).toBe(null);
  expect(counterType.diff('NaN', '1')).toBe('1');
  expect(counterType.diff('1.0', '1.00')).toBeUndefined();
  expect(columnType(undefined)).toBe(lwwType);
});
