import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLsn, lsnFromHalves, parseLsn } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';

const position = fc.maxSafeNat().map((value) => value as Lsn);

test('a position reads back as it was printed, and prints as PostgreSQL prints it', () => {
  fc.assert(
    fc.property(position, (lsn) => {
      expect(parseLsn(formatLsn(lsn))).toBe(lsn);
      const exact = BigInt(lsn);
      const halves = [exact >> 32n, exact & 0xffff_ffffn].map((half) => half.toString(16));
      expect(formatLsn(lsn)).toBe(halves.join('/').toUpperCase());
    }),
  );
  expect(formatLsn(0 as Lsn)).toBe('0/0');
  expect(parseLsn('16/b374d848')).toBe(0x16_b374_d848);
});

test('later positions compare greater, across the halves too', () => {
  const half = fc.integer({ min: 0, max: 0x1f_ffff });
  const low = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(half, low, half, low, (highA, lowA, highB, lowB) => {
      const order =
        BigInt(highA) * 2n ** 32n + BigInt(lowA) - BigInt(highB) * 2n ** 32n - BigInt(lowB);
      expect(Math.sign(lsnFromHalves(highA, lowA) - lsnFromHalves(highB, lowB))).toBe(
        order === 0n ? 0 : order > 0n ? 1 : -1,
      );
    }),
  );
});

test('what is not a position is refused by name', () => {
  for (const text of ['', '0', '0/', '/0', '0/0/0', '0/123456789', 'g/0', ' 0/0', '0/0 ']) {
    expect(() => parseLsn(text), text).toThrowError(
      expect.objectContaining({ code: 'DECODE_FAILED', message: expect.stringContaining(text) }),
    );
  }
});
