import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextHlc, witnessHlc, ZERO_HLC } from '#core/hlc.ts';
import type { Hlc } from '#core/hlc.ts';

const step = fc.oneof(
  fc.record({ met: fc.nat({ max: 2000 }) }),
  fc.record({ commitTimeUs: fc.nat({ max: 2000 }), offsetUs: fc.integer({ min: -500, max: 500 }) }),
);

test('stamps only grow, past everything met, however the wall clock jumps', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let last = ZERO_HLC;
      for (const now of steps) {
        const before = last;
        if ('met' in now) {
          last = witnessHlc(last, now.met as Hlc);
          expect(last).toBe(Math.max(before, now.met));
        } else {
          last = nextHlc(last, now.commitTimeUs, now.offsetUs);
          expect(last).toBeGreaterThan(before);
          expect(last).toBeGreaterThanOrEqual(now.commitTimeUs - now.offsetUs);
        }
      }
    }),
  );
});

test('a stamp leaves the corrected wall clock only for as long as causes push it', () => {
  expect(nextHlc(10 as Hlc, 1000, 0)).toBe(1000);
  expect(nextHlc(10 as Hlc, 1000, 400)).toBe(600);
  expect(nextHlc(5000 as Hlc, 1000, 0)).toBe(5001);
});
