import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideStripe } from '#replicator/pg/sequences.ts';
import type { SequenceInUse, SequencePosition } from '#replicator/pg/sequences.ts';

const PLAIN: SequenceInUse = {
  schema: 'public',
  name: 's',
  increment: '1',
  minimum: '1',
  maximum: '9223372036854775807',
  cycles: false,
  columns: [],
};

test('the next value is above everything used, and at the residue of the region', () => {
  const position = fc.record({
    lastValue: fc.bigInt({ min: 1n, max: 10n ** 15n }).map(String),
    isCalled: fc.boolean(),
    greatest: fc.option(fc.bigInt({ min: -100n, max: 10n ** 15n }).map(String), { nil: null }),
  });
  const striping = fc
    .integer({ min: 1, max: 64 })
    .chain((stride) =>
      fc.record({ stride: fc.constant(stride), offset: fc.integer({ min: 0, max: stride - 1 }) }),
    );
  fc.assert(
    fc.property(position, striping, (at, wanted) => {
      const decision = decideStripe(PLAIN, at, wanted);
      if (decision.kind !== 'restart') {
        expect([decision.kind, wanted.stride]).toEqual(['unchanged', 1]);
        return;
      }
      const { next } = decision;
      expect(next % BigInt(wanted.stride)).toBe(BigInt(wanted.offset));
      expect(next >= BigInt(at.lastValue) + (at.isCalled ? 1n : 0n)).toBe(true);
      if (at.greatest !== null) expect(next > BigInt(at.greatest)).toBe(true);
      const after: SequencePosition = { ...at, lastValue: String(next), isCalled: false };
      const striped = { ...PLAIN, increment: String(wanted.stride) };
      expect(decideStripe(striped, after, wanted)).toEqual({ kind: 'unchanged' });
    }),
  );
});

test('two regions never hand out the same value', () => {
  const start = (offset: number): bigint => {
    const position = { lastValue: '7', isCalled: true, greatest: '9' };
    const decision = decideStripe(PLAIN, position, { stride: 16, offset });
    return decision.kind === 'restart' ? decision.next : -1n;
  };
  const values = Array.from({ length: 16 }, (_, offset) => start(offset));
  expect(new Set(values.map((value) => value % 16n)).size).toBe(16);
  expect(values.every((value) => value > 9n)).toBe(true);
});

test('what cannot be striped is refused with the reason', () => {
  const position = { lastValue: '5', isCalled: true, greatest: null };
  const striping = { stride: 16, offset: 1 };
  const refused = (more: Partial<SequenceInUse>): string => {
    const decision = decideStripe({ ...PLAIN, ...more }, position, striping);
    return decision.kind === 'refused' ? decision.why : '';
  };
  expect(refused({ increment: '-1' })).toContain('counts down');
  expect(refused({ cycles: true })).toContain('NO CYCLE');
  expect(refused({ maximum: '10' })).toContain('above its maximum 10');
});
