import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  compareStamps,
  concurrent,
  formatDot,
  happenedBefore,
  sameDot,
} from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import { byCodeUnit } from '#core/version-vector.ts';
import { draws, playRegions } from '#tests/conflict/region-histories.ts';

const histories = draws(2, 40).map((steps) => playRegions(steps));
// Stamps that collide in every part, as two epochs of a region may.
const headers = fc
  .tuple(histories, fc.array(fc.integer({ min: 1, max: 2 })))
  .map(([all, epochs]) =>
    all.map((header, at): TransactionHeader => ({ ...header, epoch: epochs[at] ?? 1 })),
  );

test('stamps are a total order', () => {
  fc.assert(
    fc.property(headers, (all) => {
      for (const a of all) {
        expect(compareStamps(a, a)).toBe(0);
        for (const b of all) {
          expect(Math.sign(compareStamps(a, b)) + Math.sign(compareStamps(b, a))).toBe(0);
          const same = sameDot(a, b) && a.epoch === b.epoch;
          if (!same && compareStamps(a, b) === 0)
            expect(a.hlc === b.hlc && a.epoch === b.epoch).toBe(true);
          for (const c of all) {
            if (compareStamps(a, b) <= 0 && compareStamps(b, c) <= 0) {
              expect(compareStamps(a, c)).toBeLessThanOrEqual(0);
            }
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('no two transactions of a history have one stamp, and a cause is always before its effect', () => {
  fc.assert(
    fc.property(histories, (all) => {
      for (const a of all) {
        for (const b of all) {
          if (a === b) continue;
          expect(compareStamps(a, b)).not.toBe(0);
          if (happenedBefore(a, b)) expect(compareStamps(a, b)).toBeLessThan(0);
        }
      }
    }),
  );
});

test('of two transactions one saw the other, or they are concurrent; never both ways', () => {
  fc.assert(
    fc.property(histories, (all) => {
      for (const a of all) {
        expect(happenedBefore(a, a)).toBe(true);
        expect(concurrent(a, a)).toBe(false);
        for (const b of all) {
          expect(concurrent(a, b)).toBe(concurrent(b, a));
          if (a !== b) expect(happenedBefore(a, b) && happenedBefore(b, a)).toBe(false);
          for (const c of all) {
            if (happenedBefore(a, b) && happenedBefore(b, c))
              expect(happenedBefore(a, c)).toBe(true);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('the parts of a stamp decide in their order: clock, region, epoch, sequence', () => {
  const [base] = playRegions([{ region: 0, action: 0, key: 0, value: 0, clock: 1, more: false }]);
  if (base === undefined) throw new Error('an empty history');
  const later = { ...base, hlc: (base.hlc + 1) as typeof base.hlc };
  const other = { ...base, region: 'b' as typeof base.region };
  const epoch = { ...base, epoch: 2 };
  const next = { ...base, sequence: 2 };
  const ordered = [
    base,
    next,
    { ...epoch, sequence: 1 },
    { ...other, epoch: 0, sequence: 0 },
    later,
  ];
  expect(ordered.toReversed().toSorted(compareStamps)).toEqual(ordered);
  expect(formatDot(base)).toBe('a.1:1');
});

test('names are compared by code unit, on every machine', () => {
  expect(['a', 'B', 'é', 'z', 'Z'].toSorted(byCodeUnit)).toEqual(['B', 'Z', 'a', 'z', 'é']);
});
