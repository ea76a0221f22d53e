import { expect, test } from 'vitest';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell, ChangeTransaction, UpdateOp } from '#core/transaction.ts';
import { EMPTY_VECTOR, formatVector } from '#core/version-vector.ts';
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

/** All of them are concurrent: nobody has seen the other region. */
function transaction(
  region: typeof EU,
  sequence: number,
  hlc: number,
  ops: readonly UpdateOp[],
): ChangeTransaction {
  return {
    replica: replicaId(region, 1),
    region,
    epoch: 1,
    sequence,
    hlc: hlc as Hlc,
    deps: EMPTY_VECTOR,
    commitLsn: ZERO_LSN,
    endLsn: ZERO_LSN,
    commitTimeUs: hlc,
    ops,
  };
}

// Found by the soak: counters that lost increments at every restart of a replicator under load.
test('a column that was forgotten stays forgotten after a rebuild, also on a dirty row', () => {
  const elsewhere = transaction(EU, 1, 10, [update('other', 1, 'eu')]);
  const assigned = transaction(EU, 2, 20, [update('row', 2, '5')]);
  const added = transaction(AP, 1, 15, [update('row', 2, { kind: 'add', amount: '3' })]);
  const own = transaction(EU, 3, 30, [update('row', 1, 'eu')]);
  const remote = transaction(AP, 2, 40, [update('row', 1, 'ap'), update('other', 1, 'ap')]);
  const stable = new Map([
    [assigned.replica, 2],
    [added.replica, 1],
  ]);
  const everything = [elsewhere, added, assigned, own, remote];

  const memory = new UnstableIndex(own.replica);
  for (const each of everything) memory.rebuild(each, () => IGNORE_CONFLICTS);
  memory.clean({ relation: ITEMS, key: 'row' as RowKey });
  memory.clean({ relation: ITEMS, key: 'other' as RowKey });
  memory.prune(stable);
  const foldFrom = memory.rebuildableFrom(stable);
  // The other row's write is needed again; the addition, which came before it, is in nobody's state.
  expect(formatVector(foldFrom)).toBe('ap.1:1,eu.1:0');
  const projected = (index: UnstableIndex) =>
    index.state('public.items', 'row' as RowKey).project('n', '8', null);
  expect(projected(memory)).toBe('8');

  const rebuilt = new UnstableIndex(own.replica);
  for (const each of everything) {
    const from = foldFrom.get(each.replica) ?? 0;
    if (each.sequence > from) rebuilt.rebuild(each, () => IGNORE_CONFLICTS);
  }
  rebuilt.pruneRebuilt(stable);
  expect(rebuilt.isDirty('public.items', 'row' as RowKey)).toBe(true);
  expect(projected(rebuilt)).toBe('8');
});
