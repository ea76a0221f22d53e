import fc from 'fast-check';
import { expect, test } from 'vitest';
import { didYouMean, editDistance, nearestName } from '#replicator/config/nearest-name.ts';

test('a typing mistake finds the name that was meant', () => {
  expect(nearestName('statsu', ['status', 'run', 'verify'])).toBe('status');
  expect(nearestName('Conter', ['lww', 'counter'])).toBe('counter');
  expect(didYouMean('verfy', ['verify'])).toBe(' Did you mean "verify"?');
});

test('another word is not a typing mistake', () => {
  expect(nearestName('replicate', ['status', 'run', 'verify'])).toBeNull();
  expect(didYouMean('x', [])).toBe('');
});

test('the edit distance is symmetric, zero only for equal texts, and bounded by the longer text', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (left, right) => {
      const distance = editDistance(left, right);
      expect(distance).toBe(editDistance(right, left));
      expect(distance === 0).toBe(left === right);
      expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length));
    }),
  );
});

test('swapped neighbours are one mistake', () => {
  expect(editDistance('ab', 'ba')).toBe(1);
  expect(editDistance('initi', 'init')).toBe(1);
  expect(editDistance('', 'abc')).toBe(3);
});
