import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '#core/assert.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { keyParts, rowKey } from '#core/row-key.ts';

const TEXT = 25;
const NUMERIC = 1700;
const BPCHAR = 1042;
const FLOAT8 = 701;
const text = fc.string({ unit: 'binary', maxLength: 8 }).map((s) => s.replaceAll('\0', ''));

function keyed(typeOids: readonly number[], keyColumns: readonly number[]): Relation {
  const columns = typeOids.map((typeOid, at) => ({ name: `c${at}`, typeOid }));
  return { schema: 'public', name: 't', columns, keyColumns };
}

function keyOf(typeOid: number, value: PgText): string {
  return rowKey(keyed([typeOid], [0]), [value]);
}

test('a composite key keeps its parts apart and in key order', () => {
  const relation = keyed([TEXT, TEXT, TEXT], [2, 0]);
  fc.assert(
    fc.property(fc.tuple(text, text, text), fc.tuple(text, text, text), (left, right) => {
      expect(keyParts(rowKey(relation, left))).toEqual([left[2], left[0]]);
      const same = left[2] === right[2] && left[0] === right[0];
      expect(rowKey(relation, left) === rowKey(relation, right)).toBe(same);
    }),
  );
});

test('numeric keys that are equal numbers are one key, and different numbers are two', () => {
  const digits = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });
  const zeros = fc.nat({ max: 5 });
  fc.assert(
    fc.property(digits, fc.nat({ max: 99 }), zeros, (whole, cents, extra) => {
      const plain = `${whole}.${String(cents).padStart(2, '0')}`;
      const key = keyOf(NUMERIC, plain);
      expect(keyOf(NUMERIC, plain + '0'.repeat(extra))).toBe(key);
      if (cents === 0) expect(keyOf(NUMERIC, String(whole))).toBe(key);
      else expect(keyOf(NUMERIC, String(whole))).not.toBe(key);
      expect(keyOf(NUMERIC, `${whole}0`)).not.toBe(whole === 0n ? '' : keyOf(NUMERIC, `${whole}`));
    }),
  );
  expect(keyOf(NUMERIC, '-0.00')).toBe(keyOf(NUMERIC, '0'));
  expect(keyOf(NUMERIC, '100')).toBe('100');
});

test('trailing blanks say nothing in character(n), and something in text', () => {
  fc.assert(
    fc.property(text, fc.nat({ max: 4 }), (value, blanks) => {
      expect(keyOf(BPCHAR, value + ' '.repeat(blanks))).toBe(keyOf(BPCHAR, value));
      expect(keyOf(TEXT, `${value} `)).toBe(`${value} `);
    }),
  );
  expect(keyOf(BPCHAR, 'a\t ')).toBe('a\t');
});

test('negative zero is zero as a floating point key', () => {
  expect(keyOf(FLOAT8, '-0')).toBe('0');
  expect(keyOf(FLOAT8, '-0.5')).toBe('-0.5');
  expect(keyOf(TEXT, '-0')).toBe('-0');
});

test('a row without its key value is our mistake, not a key', () => {
  const composite = keyed([TEXT, TEXT], [0, 1]);
  expect(() => keyOf(TEXT, null)).toThrow(AssertionError);
  expect(() => rowKey(composite, ['a', null])).toThrow(AssertionError);
});
