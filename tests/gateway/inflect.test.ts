import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plural, singular } from '#gateway/naming/inflect.ts';
import {
  backwardField,
  camel,
  enumValueName,
  forwardField,
  pluralField,
  screaming,
  typeNameOf,
} from '#gateway/naming/names.ts';

const WORDS: readonly (readonly [one: string, many: string])[] = [
  ['user', 'users'],
  ['address', 'addresses'],
  ['category', 'categories'],
  ['day', 'days'],
  ['box', 'boxes'],
  ['status', 'status'],
  ['person', 'people'],
  ['child', 'children'],
  ['analysis', 'analyses'],
  ['company', 'companies'],
  ['house', 'houses'],
  ['wolf', 'wolves'],
  ['knife', 'knives'],
  ['buffalo', 'buffaloes'],
  ['photo', 'photos'],
  ['index', 'indices'],
  ['movie', 'movies'],
  ['series', 'series'],
  ['class', 'classes'],
  ['invoiceLine', 'invoiceLines'],
  ['MediaType', 'MediaTypes'],
  ['bonus', 'bonuses'],
  ['quiz', 'quizzes'],
];

test.each(WORDS)('%s and %s are one and many', (one, many) => {
  expect(plural(one)).toBe(many);
  expect(singular(many)).toBe(one);
  expect(plural(many)).toBe(many);
  expect(singular(one)).toBe(one);
});

test('names follow from the object alone', () => {
  expect(typeNameOf('public', 'invoice_lines')).toBe('InvoiceLine');
  expect(typeNameOf('shop', 'orders')).toBe('ShopOrder');
  expect(pluralField('InvoiceLine')).toBe('invoiceLines');
  expect(pluralField('Series')).toBe('seriesAll');
  expect(camel('USER_ID')).toBe('userId');
  expect(camel('userId')).toBe('userId');
  expect(camel('2fa code')).toBe('_2faCode');
  expect(screaming('createdAt')).toBe('CREATED_AT');
  expect(forwardField(['author_id'], 'User')).toBe('author');
  expect(forwardField(['authorId'], 'User')).toBe('author');
  expect(forwardField(['reports_to'], 'Employee')).toBe('employeeByReportsTo');
  expect(forwardField(['paid'], 'Employee')).toBe('employeeByPaid');
  expect(forwardField(['a_id', 'b_id'], 'User')).toBe('userByAIdAndBId');
  expect(backwardField(['user_id'], 'Post', 'User', 'many')).toBe('posts');
  expect(backwardField(['editor_id'], 'Post', 'User', 'many')).toBe('postsByEditor');
  expect(backwardField(['user_id'], 'Profile', 'User', 'one')).toBe('profile');
});

test('every name is one that GraphQL allows', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), (name) => {
      for (const made of [camel(name), enumValueName(name), typeNameOf('public', name)]) {
        expect(made).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
        expect(made.startsWith('__')).toBe(false);
      }
    }),
  );
});
