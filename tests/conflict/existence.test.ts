import { expect, test } from 'vitest';
import type { ReplicaId } from '#core/region.ts';
import type { RowPolicy } from '#core/relation.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { describe as describeOp } from '#conflict/existence.ts';
import { KeyState } from '#conflict/key-state.ts';
import { Recorder } from '#tests/conflict/recorder.ts';
import { COLUMNS, headerOf, keyOf, REPLICAS, TABLE } from '#tests/conflict/region-histories.ts';

const [A, B, C] = REPLICAS as [ReplicaId, ReplicaId, ReplicaId];
const KEY = keyOf(0);
const ROW = [KEY, 'x', '1'];
const INSERT: RowOp = { kind: 'insert', relation: TABLE, key: KEY, values: ROW };
const DELETE: RowOp = { kind: 'delete', relation: TABLE, key: KEY, values: ROW };
const UPDATE: RowOp = { kind: 'update', relation: TABLE, key: KEY, columns: [1], cells: ['y'] };
const TRUNCATE: RowOp = { kind: 'truncate', relation: TABLE };

type Write = readonly [TransactionHeader, RowOp];

function at(replica: ReplicaId, sequence: number, hlc: number, seen = {}): TransactionHeader {
  return headerOf(replica, sequence, hlc, new Map(Object.entries(seen) as [ReplicaId, number][]));
}

function stateOf(...writes: readonly Write[]): KeyState {
  return writes.reduce((s, [by, op]) => s.fold(by, op, IGNORE_CONFLICTS), KeyState.EMPTY);
}

test('nothing said leaves the table’s word', () => {
  expect(stateOf().alive()).toBeUndefined();
});

test('of a delete and a concurrent update the later stamp decides, and the row comes back whole', () => {
  const born = at(A, 1, 1);
  const deleted = at(B, 1, 20, { [A]: 1 });
  const kept = stateOf([born, INSERT], [deleted, DELETE], [at(A, 2, 30), UPDATE]);
  expect(kept.alive()).toBe(true);
  expect(kept.image(COLUMNS)).toEqual([KEY, 'y', '1']);
  expect(stateOf([born, INSERT], [deleted, DELETE], [at(A, 2, 10), UPDATE]).alive()).toBe(false);
});

test('a delete that had seen the update decides, whatever its stamp', () => {
  const seen = at(B, 1, 2, { [A]: 2 });
  const state = stateOf([at(A, 1, 1), INSERT], [at(A, 2, 30), UPDATE], [seen, DELETE]);
  expect(state.alive()).toBe(false);
});

test('TRUNCATE beats a concurrent update of a row that it had seen, even one with a later stamp', () => {
  const truncated = at(B, 1, 5, { [A]: 1 });
  const state = stateOf([at(A, 1, 1), INSERT], [truncated, TRUNCATE], [at(A, 2, 99), UPDATE]);
  expect(state.alive()).toBe(false);
});

test('TRUNCATE beats a concurrent update of a row older than everything unstable', () => {
  expect(stateOf([at(B, 1, 5), TRUNCATE], [at(A, 1, 99), UPDATE]).alive()).toBe(false);
});

test('TRUNCATE spares a row whose insert it had not seen, even one with an earlier stamp', () => {
  expect(stateOf([at(B, 1, 50), TRUNCATE], [at(A, 1, 1), INSERT]).alive()).toBe(true);
  expect(stateOf([at(A, 1, 1), INSERT], [at(B, 1, 50), TRUNCATE]).alive()).toBe(true);
});

test('an update of a row that TRUNCATE spares keeps it, one of a row it had seen does not', () => {
  const inserted = at(A, 1, 1);
  const truncated = at(B, 1, 50);
  const updated = at(C, 1, 2, { [A]: 1 });
  expect(stateOf([inserted, INSERT], [updated, UPDATE], [truncated, TRUNCATE]).alive()).toBe(true);
});

test('a TRUNCATE that is itself overruled by a later insert leaves the row', () => {
  const truncated = at(B, 1, 5, { [A]: 1 });
  const again = at(B, 2, 6, { [A]: 1 });
  expect(stateOf([at(A, 1, 1), INSERT], [truncated, TRUNCATE], [again, INSERT]).alive()).toBe(true);
});

function under(rows: RowPolicy, op: RowOp): RowOp {
  return { ...op, relation: { ...TABLE, rows } };
}

test('add-wins: what keeps the row beats a later deletion that had not seen it, and is on record', () => {
  const [born, deleted, updated] = [at(A, 1, 1), at(B, 1, 99, { [A]: 1 }), at(A, 2, 2)];
  const recorder = new Recorder();
  const state = [
    [born, under('add-wins', INSERT)] as const,
    [deleted, under('add-wins', DELETE)] as const,
    [updated, under('add-wins', UPDATE)] as const,
  ].reduce((s, [by, op]) => s.fold(by, op, recorder), KeyState.EMPTY);
  expect(state.alive()).toBe(true);
  expect(state.image(COLUMNS)).toEqual([KEY, 'y', '1']);
  expect(recorder.open).toEqual(['* update-delete a.1:2 b.1:1']);
  const seen = at(B, 1, 99, { [A]: 2 });
  const gone = under('add-wins', DELETE);
  expect(stateOf([born, INSERT], [updated, UPDATE], [seen, gone]).alive()).toBe(false);
});

test('delete-wins: a deletion beats later updates, and spares an insert that it had not seen', () => {
  const [born, deleted, updated] = [at(A, 1, 1), at(B, 1, 2, { [A]: 1 }), at(A, 2, 99)];
  const gone = under('delete-wins', DELETE);
  const update = under('delete-wins', UPDATE);
  expect(stateOf([born, INSERT], [deleted, gone], [updated, update]).alive()).toBe(false);
  const insert = under('delete-wins', INSERT);
  expect(stateOf([at(B, 1, 50), gone], [at(A, 1, 1), insert]).alive()).toBe(true);
});

test('a conflict of existence is recorded as what it is', () => {
  const recorder = new Recorder();
  const [truncated, updated] = [at(B, 1, 5), at(A, 1, 99)];
  KeyState.EMPTY.fold(truncated, TRUNCATE, recorder).fold(updated, UPDATE, recorder);
  expect(recorder.open).toEqual(['* truncate a.1:1 b.1:1']);
  const deletes = new Recorder();
  KeyState.EMPTY.fold(at(B, 1, 5), DELETE, deletes).fold(updated, UPDATE, deletes);
  expect(deletes.open).toEqual(['* update-delete a.1:1 b.1:1']);
});

test('what lost is described so that a person can restore it', () => {
  expect(describeOp(INSERT)).toBe('{"insert":{"id":"k0","a":"x","n":"1"}}');
  expect(describeOp(DELETE)).toBe('{"delete":{"id":"k0","a":"x","n":"1"}}');
  expect(describeOp(UPDATE)).toBe('{"update":{"a":"y"}}');
  expect(describeOp(TRUNCATE)).toBe('{"truncate":true}');
});
