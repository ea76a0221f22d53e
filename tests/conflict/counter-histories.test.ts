import { expect, test } from 'vitest';
import type { ReplicaId } from '#core/region.ts';
import type { PgText } from '#core/relation.ts';
import type { Cell, RowOp, TransactionHeader } from '#core/transaction.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { onTopOf } from '#conflict/column-type.ts';
import { KeyState } from '#conflict/key-state.ts';
import { headerOf, keyOf, REPLICAS, TABLE } from '#tests/conflict/region-histories.ts';

// Hazards 14: each case is two regions' writes of one counter that started, stable, at 5.
const [A, B] = REPLICAS as [ReplicaId, ReplicaId];
const KEY = keyOf(0);

type Write = readonly [TransactionHeader, RowOp];

function at(replica: ReplicaId, sequence: number, hlc: number, seen = {}): TransactionHeader {
  return headerOf(replica, sequence, hlc, new Map(Object.entries(seen) as [ReplicaId, number][]));
}

function set(cell: Cell): RowOp {
  return { kind: 'update', relation: TABLE, key: KEY, columns: [2], cells: [cell] };
}

function add(amount: number): RowOp {
  return set({ kind: 'add', amount: String(amount) });
}

function insert(n: PgText): RowOp {
  return { kind: 'insert', relation: TABLE, key: KEY, values: [KEY, 'a', n] };
}

function gone(n: PgText): RowOp {
  return { kind: 'delete', relation: TABLE, key: KEY, values: [KEY, 'a', n] };
}

/** The counter after these writes, which must be the same in both orders of arrival. */
function counted(left: readonly Write[], right: readonly Write[]): PgText {
  const [one, other] = [
    [...left, ...right],
    [...right, ...left],
  ].map((writes) =>
    writes
      .reduce((state, [by, op]) => state.fold(by, op, IGNORE_CONFLICTS), KeyState.EMPTY)
      .project('n', onTopOf('5')),
  );
  expect(one).toBe(other);
  return one ?? null;
}

test('increments that had not seen each other all count', () => {
  expect(counted([[at(A, 1, 10), add(1)]], [[at(B, 1, 9), add(-3)]])).toBe('3');
});

test('5 → NULL wins over a concurrent +1, which had nothing to be added to', () => {
  expect(counted([[at(A, 1, 10), set(null)]], [[at(B, 1, 99), add(1)]])).toBeNull();
});

test('a concurrent +1 is hidden under NULL and counts again once a value is assigned beside it', () => {
  const nulled = at(A, 1, 10);
  const back = at(A, 2, 11);
  expect(
    counted(
      [
        [nulled, set(null)],
        [back, set('3')],
      ],
      [[at(B, 1, 99), add(1)]],
    ),
  ).toBe('4');
});

test('NULL → 3 is an assignment, not +3: a concurrent NULL → 4 leaves one of them, never 7', () => {
  expect(counted([[at(A, 1, 10), set('3')]], [[at(B, 1, 11), set('4')]])).toBe('4');
  expect(counted([[at(A, 1, 10), set('3')]], [[at(B, 1, 9), set('4')]])).toBe('3');
});

test('an assignment contains the increments that it had seen, and no others', () => {
  const inc = at(B, 1, 5);
  const saw = at(A, 1, 10, { [B]: 1 });
  const state = [[inc, add(1)] as const, [saw, set('9')] as const].reduce(
    (s, [by, op]) => s.fold(by, op, IGNORE_CONFLICTS),
    KeyState.EMPTY,
  );
  expect(state.project('n', onTopOf('5'))).toBe('9');
  const later = state.fold(at(B, 2, 20), add(10), IGNORE_CONFLICTS);
  expect(later.project('n', onTopOf('5'))).toBe('19');
});

test('of two inserts of one key the later one gives the base; both regions’ increments count', () => {
  const left: readonly Write[] = [
    [at(A, 1, 10), insert('100')],
    [at(A, 2, 11), add(1)],
  ];
  const right: readonly Write[] = [
    [at(B, 1, 20), insert('200')],
    [at(B, 2, 21), add(2)],
  ];
  expect(counted(left, right)).toBe('203');
});

test('delete and insert again begins a new count, to which a concurrent increment is added', () => {
  const left: readonly Write[] = [
    [at(A, 1, 10), gone('5')],
    [at(A, 2, 11), insert('0')],
  ];
  expect(counted(left, [[at(B, 1, 1), add(5)]])).toBe('5');
});

test('a transaction that inserts and then adds means the sum', () => {
  const by = at(A, 1, 10);
  const both: readonly Write[] = [
    [by, insert('1')],
    [by, add(4)],
  ];
  expect(counted(both, [])).toBe('5');
  expect(counted(both, [[at(B, 1, 1), add(2)]])).toBe('7');
});

test('what a transaction added before it assigned is gone', () => {
  const by = at(A, 1, 10);
  const both: readonly Write[] = [
    [by, add(4)],
    [by, set(null)],
    [by, set('1')],
  ];
  expect(counted(both, [])).toBe('1');
});
