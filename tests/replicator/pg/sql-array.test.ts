import { expect, test } from 'vitest';
import { arrayLiteral } from '#replicator/pg/sql-array.ts';

test('an array literal quotes everything that is not plainly a word or a number', () => {
  expect(arrayLiteral([])).toBe('{}');
  expect(arrayLiteral(['1', '-2.5e+3', 'abc', null])).toBe('{1,-2.5e+3,abc,NULL}');
  expect(arrayLiteral(['', ' ', 'null', 'Null', 'nulls'])).toBe('{""," ","null","Null",nulls}');
  expect(arrayLiteral(['a,b', '{}', 'q"\\', 'a\nb'])).toBe('{"a,b","{}","q\\"\\\\","a\nb"}');
});
