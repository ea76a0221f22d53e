import { expect, test } from 'vitest';
import { KeyState } from '#conflict/key-state.ts';
import { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { RowAction } from '#replicator/engine/apply/planned-key.ts';
import { rowStatements } from '#replicator/engine/apply/row-statements.ts';
import type { DecidedRow } from '#replicator/engine/apply/row-statements.ts';
import { Slot } from '#replicator/engine/index/slot.ts';
import { keyOf, TABLE } from '#tests/conflict/region-histories.ts';

const GUARD = { horizonXid: 9, ownXids: [10] };

function decided(at: number, action: RowAction, xid: number | null = null): DecidedRow {
  const slot = new Slot(TABLE, keyOf(at), KeyState.EMPTY);
  slot.xid = xid;
  const planned = new PlannedKey(TABLE, keyOf(at), slot, KeyState.EMPTY);
  return { planned, action, row: null };
}

function sets(...columns: readonly number[]): RowAction {
  const writes = columns.map((at) => ({ kind: 'set' as const, value: `v${at}` }));
  return { kind: 'update', columns, writes };
}

const ADD: RowAction = { kind: 'update', columns: [2], writes: [{ kind: 'add', amount: '3' }] };
const INSERT: RowAction = { kind: 'insert', values: ['k', 'a', '1'] };

function kinds(rows: readonly DecidedRow[]): readonly string[] {
  return rowStatements(TABLE, rows, GUARD).map(
    ({ statement, rows: of }) => `${statement.kind} ${of.map(({ planned }) => planned.key).join()}`,
  );
}

test('deletes come before updates, and updates before inserts', () => {
  const rows = [
    decided(0, INSERT),
    decided(1, sets(1)),
    decided(2, { kind: 'delete' }),
    decided(3, INSERT),
    decided(4, { kind: 'delete' }),
    decided(5, { kind: 'none' }),
    decided(6, { kind: 'incomplete' }),
  ];
  expect(kinds(rows)).toEqual(['deleteRows k2,k4', 'updateRows k1', 'insertRows k0,k3']);
  expect(kinds([])).toEqual([]);
});

test('rows that write the same columns in the same way share a statement without gaps', () => {
  const rows = [decided(0, sets(1)), decided(1, ADD), decided(2, sets(1)), decided(3, sets(2))];
  expect(kinds(rows)).toEqual(['updateRows k0,k2', 'updateRows k1', 'updateRows k3']);
  const [first] = rowStatements(TABLE, rows, GUARD);
  expect(first?.statement).toMatchObject({
    columns: [1],
    guard: GUARD,
    rows: [{ writes: [{ kind: 'set', value: 'v1' }] }, { writes: [{ kind: 'set', value: 'v1' }] }],
  });
});

test('past six shapes the rest share a statement that leaves alone what a row does not write', () => {
  const wide = {
    ...TABLE,
    columns: Array.from({ length: 9 }, (_, at) => ({ name: `c${at}`, typeOid: 25 })),
  };
  const rows = Array.from({ length: 9 }, (_, at) => decided(at, sets(at)));
  const statements = rowStatements(wide, rows, null);
  expect(statements).toHaveLength(7);
  expect(statements.at(-1)?.statement).toMatchObject({
    columns: [6, 7, 8],
    rows: [
      { key: 'k6', writes: [{ kind: 'set', value: 'v6' }, null, null] },
      { key: 'k7', writes: [null, { kind: 'set', value: 'v7' }, null] },
      { key: 'k8', writes: [null, null, { kind: 'set', value: 'v8' }] },
    ],
  });
});

test('a row carries the last local transaction that capture saw write it', () => {
  const [statement] = rowStatements(TABLE, [decided(0, { kind: 'delete' }, 77)], GUARD);
  expect(statement?.statement).toMatchObject({ rows: [{ key: 'k0', knownXid: 77 }] });
});

test('statements are split where their arrays grow long', () => {
  const rows = Array.from({ length: 12_000 }, (_, at) => decided(at, INSERT));
  const sizes = rowStatements(TABLE, rows, null).map((statement) => statement.rows.length);
  expect(sizes).toEqual([5000, 5000, 2000]);
});
