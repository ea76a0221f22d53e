import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeKey, encodeKey } from '#replicator/pg/sql-key.ts';

const anyKey = fc.string({ unit: fc.constantFrom('\u0000', '\u0001', '\u0002', 'a', 'é') });

test('every key comes back, none holds U+0000 as text, and no two become one', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (key, other) => {
      expect(decodeKey(encodeKey(key))).toBe(key);
      expect(encodeKey(key)).not.toContain('\u0000');
      expect(encodeKey(key) === encodeKey(other)).toBe(key === other);
    }),
  );
});

test('an ordinary key is its own text', () => {
  expect(encodeKey('a0ee-1')).toBe('a0ee-1');
});
