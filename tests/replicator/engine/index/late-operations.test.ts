import { expect, test } from 'vitest';
import type { RowOp } from '#core/transaction.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { headerOf, keyOf, REPLICAS, rowIn, TABLE } from '#tests/conflict/region-histories.ts';
import type { StableRows } from '#tests/conflict/region-histories.ts';
import { replay } from '#tests/replicator/engine/index/replay.ts';

// Local writes that capture meets after apply has decided: hazards T1 and F2, one by one.
const KEY = keyOf(0);
const ROW = [KEY, 's', '7'];
const [A, B, C] = REPLICAS as [never, never, never];

const INSERT: RowOp = { kind: 'insert', relation: TABLE, key: KEY, values: [KEY, 'a', '0'] };
const DELETE: RowOp = { kind: 'delete', relation: TABLE, key: KEY, values: ROW };
const TRUNCATE: RowOp = { kind: 'truncate', relation: TABLE };

function set(value: string): RowOp {
  return { kind: 'update', relation: TABLE, key: KEY, columns: [1], cells: [value] };
}

function by(
  replica: never,
  sequence: number,
  hlc: number,
  ...ops: readonly RowOp[]
): ChangeTransaction {
  return { ...headerOf(replica, sequence, hlc, new Map()), ops };
}

/** How many rows are dirty once all is captured, and how the table ends. */
function ends(
  history: readonly ChangeTransaction[],
  stable: StableRows,
  captures: readonly number[],
) {
  const left = [...captures];
  let dirty = 0;
  const schedule = { batch: () => 9, capture: () => left.shift() ?? 0, prunes: () => false };
  const region = replay(history, stable, schedule, (now) => {
    dirty = Math.max(dirty, now.index.dirtyCount);
  });
  const row = region.rows().get(KEY) ?? null;
  expect(row).toEqual(rowIn(history, KEY, stable));
  return { dirty, row };
}

test('a late insert over rows that came and went elsewhere is taken out again', () => {
  const history = [by(A, 1, 1, INSERT), by(B, 1, 5, INSERT), by(B, 2, 6, DELETE)];
  expect(ends(history, new Map(), [0, 1])).toEqual({ dirty: 1, row: null });
});

test('a late insert is taken out again also when capture meets it long after the batch', () => {
  const history = [by(A, 1, 1, INSERT), by(B, 1, 5, INSERT), by(B, 2, 6, DELETE)];
  expect(ends(history, new Map(), [0, 0]).row).toBeNull();
});

test('a late delete that loses brings the row back', () => {
  const stable = new Map([[KEY, ROW]]);
  const history = [by(A, 1, 1, DELETE), by(B, 1, 5, DELETE), by(C, 1, 9, set('c'))];
  expect(ends(history, stable, [0, 1]).row).toEqual([KEY, 'c', '7']);
});

test('what was captured before the remote operation was decided leaves nothing in doubt', () => {
  const history = [by(A, 1, 1, INSERT), by(B, 1, 5, INSERT), by(B, 2, 6, DELETE)];
  expect(ends(history, new Map(), [1, 0])).toEqual({ dirty: 0, row: null });
});

test('an own TRUNCATE that capture meets between decision and commit is not forgotten', () => {
  const stable = new Map([[KEY, ROW]]);
  const history = [by(A, 1, 1, TRUNCATE), by(B, 1, 1, DELETE), by(C, 1, 1, { ...set('c') })];
  const left = [0, 1];
  const schedule = { batch: () => 1, capture: () => left.shift() ?? 0, prunes: () => false };
  const region = replay(history, stable, schedule, () => undefined);
  expect(region.rows().get(KEY)).toBeUndefined();
});
