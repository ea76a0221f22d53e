import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatName, matchesPattern, nameParts } from '#replicator/config/object-name.ts';

test('names split at dots outside double quotes', () => {
  expect(nameParts('public.account.balance')).toEqual(['public', 'account', 'balance']);
  expect(nameParts('public."odd.name"."say ""hi"""')).toEqual(['public', 'odd.name', 'say "hi"']);
  expect(nameParts('public.Straße.größe')).toEqual(['public', 'Straße', 'größe']);
  for (const wrong of ['', '.', 'a.', '.a', 'a..b', '"a', 'a"b'])
    expect(nameParts(wrong)).toBeNull();
});

test('what formatName writes, nameParts reads', () => {
  const part = fc.string({ minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      expect(nameParts(formatName(parts))).toEqual(parts);
    }),
  );
});

test('patterns cover tables by wildcards, and everything else literally', () => {
  expect(matchesPattern('public.*', 'public', 'account')).toBe(true);
  expect(matchesPattern('*.*', 'Größe', 'a.b')).toBe(true);
  expect(matchesPattern('shop.order_?', 'shop', 'order_1')).toBe(true);
  expect(matchesPattern('shop.order_?', 'shop', 'order_12')).toBe(false);
  expect(matchesPattern('shop.a+b', 'shop', 'aab')).toBe(false);
  expect(matchesPattern('shop."a.b"', 'shop', 'a.b')).toBe(true);
});
