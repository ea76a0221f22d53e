import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import {
  covers,
  EMPTY_VECTOR,
  formatVector,
  joinVectors,
  meetVectors,
  parseVector,
  sequenceOf,
  withSequence,
} from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

const replica = fc
  .tuple(fc.constantFrom('eu', 'us', 'ap-1', 'e'), fc.integer({ min: 1, max: 12 }))
  .map(([region, epoch]) => replicaId(parseRegionId(region), epoch));
const vector: fc.Arbitrary<VersionVector> = fc
  .array(fc.tuple(replica, fc.integer({ min: 1, max: 5 })), { maxLength: 6 })
  .map((entries) => new Map(entries));

function same(left: VersionVector, right: VersionVector): void {
  expect(formatVector(left)).toBe(formatVector(right));
}

test('join is the least vector that covers both, commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(vector, vector, vector, (a, b, c) => {
      same(joinVectors(a, b), joinVectors(b, a));
      same(joinVectors(joinVectors(a, b), c), joinVectors(a, joinVectors(b, c)));
      same(joinVectors(a, a), a);
      same(joinVectors(a, EMPTY_VECTOR), a);
      const joined = joinVectors(a, b);
      expect(covers(joined, a) && covers(joined, b)).toBe(true);
      if (covers(c, a) && covers(c, b)) expect(covers(c, joined)).toBe(true);
    }),
  );
});

test('meet is the greatest vector that all cover, and absorbs join', () => {
  fc.assert(
    fc.property(fc.array(vector, { minLength: 1, maxLength: 4 }), vector, (all, other) => {
      const met = meetVectors(all);
      for (const one of all) expect(covers(one, met)).toBe(true);
      if (all.every((one) => covers(one, other))) expect(covers(met, other)).toBe(true);
      same(meetVectors([...all].toReversed()), met);
      const [first] = all;
      if (first !== undefined) same(meetVectors([first, joinVectors(first, other)]), first);
    }),
  );
  same(meetVectors([]), EMPTY_VECTOR);
});

test('covers is a partial order', () => {
  fc.assert(
    fc.property(vector, vector, vector, (a, b, c) => {
      expect(covers(a, a)).toBe(true);
      if (covers(a, b) && covers(b, a)) same(a, b);
      if (covers(a, b) && covers(b, c)) expect(covers(a, c)).toBe(true);
    }),
  );
});

test('equal vectors are equal text, whatever order they were filled in, and read back the same', () => {
  fc.assert(
    fc.property(vector, fc.infiniteStream(fc.nat()), (a, shuffle) => {
      const entries = [...a].toSorted(() => ((shuffle.next().value ?? 0) % 3) - 1);
      const shuffled = new Map(entries);
      expect(formatVector(shuffled)).toBe(formatVector(a));
      const back = parseVector(formatVector(a));
      expect(back.size).toBe(a.size);
      for (const [name, sequence] of a) expect(back.get(name)).toBe(sequence);
    }),
  );
  // Code-unit order: eu.10 before eu.2, "-" before ".".
  const mixed = new Map(['eu.2', 'eu.10', 'eu-1.1'].map((name) => [name as ReplicaId, 1]));
  expect(formatVector(mixed)).toBe('eu-1.1:1,eu.10:1,eu.2:1');
});

test('one sequence can be set without touching the vector it came from', () => {
  fc.assert(
    fc.property(vector, replica, fc.integer({ min: 1, max: 9 }), (a, name, sequence) => {
      const before = formatVector(a);
      const next = withSequence(a, name, sequence);
      expect(sequenceOf(next, name)).toBe(sequence);
      expect(formatVector(a)).toBe(before);
      for (const [other, known] of a) if (other !== name) expect(next.get(other)).toBe(known);
    }),
  );
});
