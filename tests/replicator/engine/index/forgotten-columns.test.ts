import { expect, test } from 'vitest';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { onTopOf } from '#conflict/column-type.ts';
import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell, ChangeTransaction, KeyedOp, UpdateOp } from '#core/transaction.ts';
import { EMPTY_VECTOR, formatVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';

const EU = parseRegionId('eu');
const AP = parseRegionId('ap');
const ITEMS: Relation = {
  schema: 'public',
  name: 'items',
  columns: ['id', 'a', 'n'].map((name) => ({ name, typeOid: 25 })),
  keyColumns: [0],
};

function update(key: string, column: number, cell: Cell): UpdateOp {
  return { kind: 'update', relation: ITEMS, key: key as RowKey, columns: [column], cells: [cell] };
}

function transaction(
  region: typeof EU,
  sequence: number,
  hlc: number,
  ops: readonly KeyedOp[],
  deps: VersionVector = EMPTY_VECTOR,
): ChangeTransaction {
  return {
    replica: replicaId(region, 1),
    region,
    epoch: 1,
    sequence,
    hlc: hlc as Hlc,
    deps,
    commitLsn: ZERO_LSN,
    endLsn: ZERO_LSN,
    commitTimeUs: hlc,
    ops,
  };
}

const KEY = 'row' as RowKey;

/** An index in memory that has forgotten what is stable, and one that is rebuilt from its checkpoint. */
function memoryAndRebuilt(
  before: readonly ChangeTransaction[],
  stable: VersionVector,
  after: readonly ChangeTransaction[],
): { readonly memory: UnstableIndex; readonly rebuilt: UnstableIndex } {
  const own = replicaId(EU, 1);
  const memory = new UnstableIndex(own);
  for (const each of before) memory.rebuild(each, () => IGNORE_CONFLICTS);
  for (const key of memory.dirtyKeys(10)) memory.clean(key);
  memory.prune(stable);
  const foldFrom = memory.rebuildableFrom(stable);
  // Another row's write is needed again; the addition, which came before it, is in nobody's state.
  expect(formatVector(foldFrom)).toBe('ap.1:1,eu.1:0');
  for (const each of after) memory.rebuild(each, () => IGNORE_CONFLICTS);

  const rebuilt = new UnstableIndex(own);
  for (const each of [...before, ...after]) {
    if (each.sequence <= sequenceOf(foldFrom, each.replica)) continue;
    rebuilt.rebuild(each, () => IGNORE_CONFLICTS);
  }
  rebuilt.pruneRebuilt(stable);
  return { memory, rebuilt };
}

const ELSEWHERE = transaction(EU, 1, 10, [update('other', 1, 'eu')]);
const ADDED = transaction(AP, 1, 15, [update('row', 2, { kind: 'add', amount: '3' })]);
const ASSIGNED = transaction(EU, 2, 20, [update('row', 2, '5')]);
const BESIDE = update('other', 1, 'ap');
const STABLE: VersionVector = new Map([
  [ASSIGNED.replica, 2],
  [ADDED.replica, 1],
]);

// Both were found by the soak: counters lost increments when a replicator under load started again.
test('a column that was forgotten stays forgotten after a rebuild, also on a dirty row', () => {
  const own = transaction(EU, 3, 30, [update('row', 1, 'eu')]);
  const remote = transaction(AP, 2, 40, [update('row', 1, 'ap'), BESIDE]);
  const before = [ELSEWHERE, ADDED, ASSIGNED, own, remote];
  const { memory, rebuilt } = memoryAndRebuilt(before, STABLE, []);
  expect(rebuilt.isDirty('public.items', KEY)).toBe(true);
  expect(memory.state('public.items', KEY).project('n', onTopOf('8'))).toBe('8');
  expect(rebuilt.state('public.items', KEY).project('n', onTopOf('8'))).toBe('8');
});

test('a column that was forgotten stays forgotten beside a later delete that may be overruled', () => {
  const remote = transaction(AP, 2, 16, [BESIDE]);
  const seen: VersionVector = new Map([[ASSIGNED.replica, 2]]);
  const values = ['row', null, '8'];
  const gone = transaction(
    AP,
    3,
    30,
    [{ kind: 'delete', relation: ITEMS, key: KEY, values }],
    seen,
  );
  const own = transaction(EU, 3, 40, [update('row', 2, { kind: 'add', amount: '1' })]);
  const before = [ELSEWHERE, ADDED, ASSIGNED, remote];
  const { memory, rebuilt } = memoryAndRebuilt(before, STABLE, [gone, own]);
  for (const index of [memory, rebuilt]) {
    const state = index.state('public.items', KEY);
    expect(state.alive()).toBe(true);
    expect(state.column('n')?.winner()).toBeUndefined();
    expect(state.image(['id', 'a', 'n'])).toEqual(['row', null, '9']);
  }
});
