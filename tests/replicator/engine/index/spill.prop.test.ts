import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import type { Hlc } from '#core/hlc.ts';
import type { ReplicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import { formatDot } from '#core/transaction.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import { planBatch, settleBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { Spill } from '#replicator/engine/index/spill.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import {
  causalOrder,
  chooser,
  COLUMNS,
  draws,
  keyOf,
  playRegions,
  TABLE,
} from '#tests/conflict/region-histories.ts';
import { OWN } from '#tests/replicator/engine/index/replayed-region.ts';
import { SpillSession } from '#tests/replicator/engine/index/spill-session.ts';

const ID = relationId(TABLE);
const KEYS = [0, 1, 2, 3].map(keyOf);
const NAMES = KEYS.map((key) => ({ relation: TABLE, key }));
const PROGRESS = { vector: EMPTY_VECTOR, hlc: 0 as Hlc };
const GUARD = { horizonXid: null, ownXids: [] };

class Kept {
  readonly index = new UnstableIndex(OWN);
  readonly session = new SpillSession();
  readonly spill: Spill;

  constructor(maxKeys: number) {
    this.spill = new Spill(this.index, this.session, 'owner', maxKeys, () => IGNORE_CONFLICTS);
  }

  async fold(transaction: ChangeTransaction): Promise<void> {
    if (transaction.replica === OWN) {
      this.index.foldOwn(transaction, 7, () => IGNORE_CONFLICTS);
      return;
    }
    const emptied = transaction.ops.some(({ kind }) => kind === 'truncate');
    if (emptied) await this.spill.loadTable(TABLE);
    await this.spill.load(
      NAMES.filter(({ key }) => transaction.ops.some((op) => 'key' in op && op.key === key)),
    );
    const batch = planBatch(this.index, [transaction], [], PROGRESS, new ConflictBuffer(), GUARD);
    for (const { by, op } of batch.truncates)
      this.index.foldTruncate(by, op, () => IGNORE_CONFLICTS);
    settleBatch(this.index, batch, { conflicts: new ConflictBuffer(), recorded: [] });
  }

  state(): readonly unknown[] {
    return KEYS.map((key) => {
      const state = this.index.state(ID, key);
      const latest = state.latest.map(formatDot).toSorted();
      return [key, state.alive(), state.image(COLUMNS), latest];
    });
  }
}

test('a row that was put aside and brought back is as if it had stayed, whatever was captured meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(draws(4, 40), fc.infiniteStream(fc.nat()), async (steps, numbers) => {
      const choose = chooser(numbers);
      const order = [...causalOrder(playRegions(steps), choose)];
      const [spilling, whole] = [new Kept(0), new Kept(1000)];
      const seen = new Map<ReplicaId, number>();
      for (let at = 0; at < order.length; at++) {
        const transaction = order[at] as ChangeTransaction;
        await spilling.fold(transaction);
        await whole.fold(transaction);
        seen.set(transaction.replica, transaction.sequence);
        // Capture's markers: what every own transaction still to come has seen.
        const later = order.slice(at + 1).filter(({ replica }) => replica === OWN);
        const captured = later[0]?.deps ?? seen;
        const next = order[at + 1];
        spilling.session.meanwhile = () => {
          if (next?.replica !== OWN || choose(3) > 0) return;
          spilling.session.meanwhile = () => undefined;
          spilling.index.foldOwn(next, 7, () => IGNORE_CONFLICTS);
          whole.index.foldOwn(next, 7, () => IGNORE_CONFLICTS);
          seen.set(next.replica, next.sequence);
          at++;
        };
        if (choose(2) === 0) await spilling.spill.relieve(captured);
        spilling.session.meanwhile = () => undefined;
        expect(spilling.session.rows.size).toBe(spilling.spill.count);
      }
      const dirty = (kept: Kept) =>
        kept.index
          .dirtyKeys(99)
          .map(({ key }) => key)
          .toSorted();
      await spilling.spill.load(NAMES);
      expect(spilling.spill.count).toBe(0);
      expect(spilling.state()).toEqual(whole.state());
      expect(dirty(spilling)).toEqual(dirty(whole));
    }),
    { numRuns: 200 },
  );
});

test('the oldest rows go first, down to four fifths of the limit', async () => {
  const kept = new Kept(10);
  const ops = Array.from({ length: 15 }, (_, at) => ({
    kind: 'insert' as const,
    relation: TABLE,
    key: keyOf(at),
    values: [keyOf(at), 'a', '0'],
  }));
  const [sample] = playRegions([{ region: 1, action: 0, key: 0, value: 0, clock: 0, more: false }]);
  await kept.fold({ ...(sample as ChangeTransaction), ops });
  expect(kept.spill.isNeeded).toBe(true);
  await kept.spill.relieve(new Map());
  expect(kept.spill.count).toBe(0);
  await kept.spill.relieve(new Map([['b.1' as ReplicaId, 1]]));
  expect(kept.index.size).toBe(8);
  expect([...kept.session.rows.values()].map(({ key }) => key)).toEqual(
    [0, 1, 2, 3, 4, 5, 6].map(keyOf),
  );
  await kept.spill.settle(new Map([['b.1' as ReplicaId, 0]]));
  expect(kept.spill.count).toBe(7);
  await kept.spill.settle(new Map([['b.1' as ReplicaId, 1]]));
  expect([kept.spill.count, kept.session.rows.size]).toEqual([0, 0]);
});

test('a row whose projection is in doubt stays in memory', async () => {
  const kept = new Kept(0);
  const history = playRegions([{ region: 1, action: 0, key: 0, value: 0, clock: 0, more: false }]);
  for (const transaction of history) await kept.fold(transaction);
  kept.index.markDirty({ relation: TABLE, key: keyOf(0) });
  await kept.spill.relieve(new Map([['b.1' as ReplicaId, 1]]));
  expect([kept.index.size, kept.spill.count]).toEqual([1, 0]);
});
