import { expect, test } from 'vitest';
import type { RowKey } from '#core/row-key.ts';
import { decideChange } from '#gateway/subscriptions/change.ts';
import type { Sight } from '#gateway/subscriptions/change.ts';

const ROOM = new Set(['room']);

/** kind, changed column, is there, was known → per sight (open, filtered, secured). */
const CASES: readonly (readonly [
  'insert' | 'update' | 'delete',
  string,
  'there' | 'gone',
  'known' | 'unknown',
  readonly [string | null, string | null, string | null],
])[] = [
  ['insert', '', 'there', 'unknown', ['INSERT', 'INSERT', 'INSERT']],
  ['insert', '', 'there', 'known', ['UPDATE', 'UPDATE', 'UPDATE']],
  ['insert', '', 'gone', 'unknown', [null, null, null]],
  ['update', 'body', 'there', 'known', ['UPDATE', 'UPDATE', 'UPDATE']],
  ['update', 'body', 'there', 'unknown', ['UPDATE', 'UPDATE', 'ENTER']],
  ['update', 'room', 'there', 'unknown', ['UPDATE', 'ENTER', 'ENTER']],
  ['update', 'body', 'gone', 'unknown', [null, null, null]],
  ['update', 'room', 'gone', 'unknown', [null, 'LEAVE', null]],
  ['update', 'room', 'gone', 'known', ['LEAVE', 'LEAVE', 'LEAVE']],
  ['delete', '', 'gone', 'known', ['DELETE', 'DELETE', 'DELETE']],
  ['delete', '', 'gone', 'unknown', ['DELETE', 'DELETE', null]],
];
const SIGHTS: readonly Sight[] = ['open', 'filtered', 'secured'];

test.each(CASES)('%s of %j, row %s, key %s', (kind, column, there, known, expected) => {
  const touch = { key: 'k' as RowKey, kind, columns: [column] };
  const ops = SIGHTS.map((sight) => {
    const node = there === 'there' ? '{}' : null;
    const query = { sight, filterColumns: sight === 'filtered' ? ROOM : new Set<string>() };
    return decideChange(touch, node, known === 'known', query)?.op ?? null;
  });
  expect(ops).toEqual(expected);
});
