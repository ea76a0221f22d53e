import { beforeEach, expect, test } from 'vitest';
import type { ConflictKind } from '#conflict/conflict-sink.ts';
import { must } from '#core/assert.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { headerOf, REPLICAS } from '#tests/conflict/region-histories.ts';

const [early, late] = [10, 20].map((hlc, at) =>
  headerOf(must(REPLICAS[at], 'replica'), 1, hlc, new Map()),
) as [TransactionHeader, TransactionHeader];

let buffer: ConflictBuffer;

beforeEach(() => {
  buffer = new ConflictBuffer();
});

function open(left = early, right = late, kind: ConflictKind = 'update-update', prevails = false) {
  const side = (by: TransactionHeader) => ({ by, value: () => `${by.hlc}` });
  buffer.sink('public.t', 'k').add('a', kind, { ...side(left), prevails }, side(right));
}

function retract(left = early, right = late): void {
  buffer.sink('public.t', 'k').retract('a', left, right);
}

function drained(): { readonly add: readonly string[]; readonly remove: readonly string[] } {
  const { add, remove } = buffer.drain();
  const named = ({ winner, loser }: (typeof add)[number]): string => `${winner.dot}>${loser.dot}`;
  return { add: add.map(named), remove: remove.map(named).toSorted() };
}

test('the later stamp is the winner, whichever side was told first', () => {
  open(early, late);
  expect(buffer.drain().add).toEqual([
    {
      relation: 'public.t',
      key: 'k',
      column: 'a',
      kind: 'update-update',
      winner: { dot: 'b.1:1', region: 'b', hlc: 20, saw: 0, value: '20' },
      loser: { dot: 'a.1:1', region: 'a', hlc: 10, saw: 0, value: '10' },
    },
  ]);
  open(late, early);
  expect(drained().add).toEqual(['b.1:1>a.1:1']);
});

test('TRUNCATE wins against a later stamp', () => {
  open(early, late, 'truncate', true);
  expect(drained().add).toEqual(['a.1:1>b.1:1']);
});

test('what a batch opens and closes again is never written, but an older record of it is removed', () => {
  open();
  retract();
  expect(drained()).toEqual({ add: [], remove: ['a.1:1>b.1:1', 'b.1:1>a.1:1'] });
  expect(buffer.isEmpty).toBe(true);
});

test('what is closed and opened again stands', () => {
  retract();
  open();
  expect(drained()).toEqual({ add: ['b.1:1>a.1:1'], remove: ['a.1:1>b.1:1'] });
});

test('rows of a transaction that did not commit come back, except where newer word stands', () => {
  open();
  const rows = buffer.drain();
  buffer.restore(rows);
  expect(drained().add).toEqual(['b.1:1>a.1:1']);
  retract();
  buffer.restore(rows);
  expect(drained()).toEqual({ add: [], remove: ['a.1:1>b.1:1', 'b.1:1>a.1:1'] });
  retract();
  const removals = buffer.drain();
  open();
  buffer.restore(removals);
  expect(drained()).toEqual({ add: ['b.1:1>a.1:1'], remove: ['a.1:1>b.1:1'] });
});

test('a record of a decision that was made again is taken back unless it still holds', () => {
  open();
  const recorded = buffer.drain().add;
  buffer.reconcile('public.t', 'k', recorded);
  expect(drained()).toEqual({ add: [], remove: ['b.1:1>a.1:1'] });
  open();
  buffer.reconcile('public.t', 'k', recorded);
  expect(drained()).toEqual({ add: ['b.1:1>a.1:1'], remove: [] });
  buffer.reconcile('public.t', 'other', recorded);
  expect(buffer.isEmpty).toBe(true);
});

test('rows are told apart by table and key, and one can be discarded', () => {
  const side = (by: TransactionHeader) => ({ by, value: () => null });
  for (const key of ['k', 'l']) {
    buffer.sink('public.t', key).add('a', 'update-update', side(early), side(late));
  }
  buffer.discard('public.t', 'k');
  expect(buffer.drain().add.map(({ key }) => key)).toEqual(['l']);
});
