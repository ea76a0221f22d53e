import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addDecimals, isFiniteDecimal, subtractDecimals } from '#core/decimal.ts';

/** An exact decimal as PostgreSQL prints it, with its value as an integer over a power of ten. */
interface Sample {
  readonly text: string;
  readonly unscaled: bigint;
  readonly scale: number;
}

const sample: fc.Arbitrary<Sample> = fc
  .record({
    unscaled: fc.oneof(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), small()),
    scale: fc.oneof(fc.constant(0), fc.nat({ max: 20 })),
  })
  .map(({ unscaled, scale }) => ({ unscaled, scale, text: print(unscaled, scale) }));

function small(): fc.Arbitrary<bigint> {
  // Around the border of what a float holds exactly, where the fast path must stop.
  const near = (at: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: at - 9n, max: at + 9n });
  return fc.oneof(
    near(0n),
    near(10n ** 15n),
    near(2n ** 53n),
    near(-(10n ** 15n)),
    near(2n ** 63n),
  );
}

function print(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-scale)}`;
}

function expected(left: Sample, right: Sample, sign: bigint): string {
  const scale = Math.max(left.scale, right.scale);
  const at = (of: Sample): bigint => of.unscaled * 10n ** BigInt(scale - of.scale);
  return print(at(left) + sign * at(right), scale);
}

test('sums and differences are exact, with the greater scale of the two, as numeric prints them', () => {
  fc.assert(
    fc.property(sample, sample, (left, right) => {
      expect(addDecimals(left.text, right.text)).toBe(expected(left, right, 1n));
      expect(subtractDecimals(left.text, right.text)).toBe(expected(left, right, -1n));
    }),
    { numRuns: 1000 },
  );
});

test('what a sum is made of can be taken out of it again', () => {
  fc.assert(
    fc.property(sample, sample, (left, right) => {
      const sum = addDecimals(left.text, right.text);
      const back = subtractDecimals(subtractDecimals(sum, right.text), left.text);
      expect(back).toMatch(/^0(\.0+)?$/);
    }),
  );
});

test('only finite numbers are decimals', () => {
  for (const text of ['0', '-1', '12.50', '-0.001', '9'.repeat(200)]) {
    expect(isFiniteDecimal(text), text).toBe(true);
  }
  for (const text of ['NaN', 'Infinity', '-Infinity', '', '1e5', '.5', '5.', '$1', '1 ', '+1']) {
    expect(isFiniteDecimal(text), text).toBe(false);
  }
});
