import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lsn } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import { covers } from '#core/version-vector.ts';
import { decodeToken, encodeToken, joinTokens, tokenOf } from '#gateway/session/causal-token.ts';
import type { CausalToken } from '#gateway/session/causal-token.ts';

const REGIONS = ['eu', 'us-east-1', 'ap'];

const replica = fc
  .tuple(fc.constantFrom(...REGIONS), fc.integer({ min: 1, max: 12 }))
  .map(([region, epoch]) => replicaId(parseRegionId(region), epoch));
const position = fc.integer({ min: 1, max: 2 ** 50 });
const token: fc.Arbitrary<CausalToken> = fc.record({
  seen: fc.array(fc.tuple(replica, position), { maxLength: 5 }).map((entries) => new Map(entries)),
  written: fc
    .array(fc.tuple(replica, position), { maxLength: 5 })
    .map((entries) => new Map(entries.map(([name, at]) => [name, at as Lsn]))),
});

test('a token survives its text', () => {
  fc.assert(
    fc.property(token, (given) => {
      const text = encodeToken(given);
      expect(encodeURIComponent(text).replace(/%3A|%40/g, '.')).toHaveLength(text.length);
      expect(decodeToken(text, REGIONS)).toEqual({ kind: 'token', token: given });
    }),
  );
});

test('joining is commutative, associative, idempotent, and covers both', () => {
  fc.assert(
    fc.property(token, token, token, (a, b, c) => {
      const text = (...tokens: readonly CausalToken[]): string =>
        encodeToken(tokens.reduce((left, right) => joinTokens(left, right)));
      expect(text(a, b)).toBe(text(b, a));
      expect(text(joinTokens(a, b), c)).toBe(text(a, joinTokens(b, c)));
      expect(text(a, a)).toBe(encodeToken(a));
      expect(covers(joinTokens(a, b).seen, a.seen)).toBe(true);
    }),
  );
});

test('whatever is not the text of a token is refused, and nothing throws', () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^1(~[a-z]{2}\.\d(:\d{1,18})?(@[0-9a-f]{1,16})?){0,4}$/),
    fc.tuple(token, fc.nat(), fc.string({ maxLength: 2 })).map(([given, at, inserted]) => {
      const whole = encodeToken(given);
      const cut = at % (whole.length + 1);
      return whole.slice(0, cut) + inserted + whole.slice(cut);
    }),
  );
  fc.assert(
    fc.property(text, (given) => {
      const decoded = decodeToken(given, REGIONS);
      if (decoded.kind === 'token') expect(encodeToken(decoded.token)).toBe(given);
      else expect(decoded.why).not.toBe('');
    }),
  );
});

test.each([
  ['2~eu.1:1', 'does not begin'],
  ['1~mars.1:1', '"mars" is no region here; there are eu, us-east-1, ap'],
  ['1~eu.1:99999999999999999', 'not of the form'],
  ['1~eu.1:9999999999999999', 'position that cannot be'],
  ['1~eu.1:1~eu.1:2', 'canonical'],
  ['1~us-east-1.1:1~eu.1:2', 'canonical'],
  ['1~eu.0:1', 'not of the form'],
  [`1~eu.1:1${'~'.repeat(3000)}`, 'longer than'],
])('%s is refused', (text, why) => {
  expect(decodeToken(text, REGIONS)).toEqual({
    kind: 'refused',
    why: expect.stringContaining(why) as string,
  });
});

test('a token of what is seen holds no places in the WAL', () => {
  expect(encodeToken(tokenOf(new Map([[replicaId(parseRegionId('eu'), 1), 7]])))).toBe('1~eu.1:7');
});
