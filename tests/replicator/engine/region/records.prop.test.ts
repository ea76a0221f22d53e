import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { Hlc } from '#core/hlc.ts';
import type { ReplicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import { WHOLE } from '#core/transaction.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { covers, EMPTY_VECTOR } from '#core/version-vector.ts';
import { planBatch, settleBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import type { ConflictRows } from '#replicator/engine/apply/conflict-buffer.ts';
import { truncateConflicts } from '#replicator/engine/apply/truncate.ts';
import { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import type { Slot } from '#replicator/engine/index/slot.ts';
import { Spill } from '#replicator/engine/index/spill.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import { frameRecords, ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import { rebuildIndex } from '#replicator/engine/region/rebuild.ts';
import { stepBack } from '#replicator/engine/region/step-back.ts';
import type { ConflictRow, RegionState } from '#replicator/engine/statement.ts';
import {
  chooser,
  draws,
  MEMBERS,
  playRegions,
  REPLICAS,
} from '#tests/conflict/region-histories.ts';
import { OWN } from '#tests/replicator/engine/index/replayed-region.ts';
import { SpillSession } from '#tests/replicator/engine/index/spill-session.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

const GUARD = { horizonXid: null, ownXids: [] };
const SETTINGS = { id: 1, tables: {}, clockOffsetUs: 0 };
const STATE: RegionState = {
  region: 'a',
  epoch: 1,
  generation: 1,
  vector: '',
  hlc: 0,
  initialSettings: 1,
  stable: '',
  foldFrom: '',
  serverVersion: 180000,
  confirmedFlushLsn: null,
  sameServer: true,
  walLsn: '0/0',
};

/** One region's conflict table, and everything that writes to it, through crashes. */
class RecordingRegion {
  readonly records = new Map<string, ConflictRow>();
  readonly applied = new Map<ReplicaId, number>();
  #index = new UnstableIndex(OWN);
  #pending = new ConflictBuffer();

  capture(transaction: ChangeTransaction): void {
    this.#index.foldOwn(transaction, 1, (slot) => this.#sink(slot));
  }

  /** One apply transaction: the rows, their records, and what capture had found meanwhile. */
  apply(transaction: ChangeTransaction, captured: number): void {
    const conflicts = new ConflictBuffer();
    const progress = { vector: EMPTY_VECTOR, hlc: 0 as Hlc };
    const batch = planBatch(this.#index, [transaction], [], progress, conflicts, GUARD);
    truncateConflicts(this.#index, batch);
    const recorded = batch.conflicts.drain();
    this.record();
    this.#write(recorded);
    this.applied.set(transaction.replica, transaction.sequence);
    this.applied.set(OWN, Math.max(this.applied.get(OWN) ?? 0, captured));
    for (const { by, op } of batch.truncates) {
      this.#index.foldTruncate(by, op, (slot) => this.#sink(slot));
    }
    settleBatch(this.#index, batch, { conflicts: this.#pending, recorded: recorded.add });
  }

  record(): void {
    this.#write(this.#pending.drain());
  }

  /** Everything in memory is gone; the own log ends at `tail`. */
  async crash(history: readonly ChangeTransaction[], tail: number): Promise<void> {
    this.#index = new UnstableIndex(OWN);
    this.#pending = new ConflictBuffer();
    const vector = [...this.applied].map(([replica, n]) => `${replica}:${n}`).join(',');
    await stepBack(this.#session(), OWN, { ...STATE, vector }, tail);
    if ((this.applied.get(OWN) ?? 0) > tail) this.applied.set(OWN, tail);
    const spill = new Spill(this.#index, new SpillSession(), 'o', 1000, (slot) => this.#sink(slot));
    const streams = logsOf(history.filter((t) => t.replica !== OWN || t.sequence <= tail));
    const vectors = { foldFrom: EMPTY_VECTOR, stable: EMPTY_VECTOR, applied: this.applied };
    const orphans = { watch: () => undefined };
    const parts = { spill, quarantine: new Quarantine(), orphans };
    const { signal } = new AbortController();
    await rebuildIndex(
      this.#index,
      parts,
      { own: OWN, streams, ...vectors },
      this.#pending,
      signal,
    );
  }

  #sink(slot: Slot) {
    return this.#pending.sink(relationId(slot.relation), slot.key);
  }

  #write({ add, remove }: ConflictRows): void {
    for (const row of add) this.records.set(nameOf(row), row);
    for (const row of remove) this.records.delete(nameOf(row));
  }

  #session() {
    const withdraw = (after: number): void => {
      for (const [name, { winner, loser }] of this.records) {
        const lost = ({ dot }: { readonly dot: string }): boolean =>
          dot.startsWith(`${OWN}:`) && Number(dot.slice(OWN.length + 1)) > after;
        if (lost(winner) || lost(loser)) this.records.delete(name);
      }
    };
    return {
      flight: (statements: Parameters<SpillSession['flight']>[0]) =>
        Promise.resolve(
          statements.map((statement) => {
            if (statement.kind === 'withdrawConflicts') withdraw(statement.after);
            return { kind: 'advanced', count: 1, xid: 1, snapshotXmin: 1n } as const;
          }),
        ),
      attempt: () => Promise.reject(new Error('unexpected')),
      close: () => Promise.resolve(),
    };
  }
}

function nameOf({ relation, key, column, winner, loser }: ConflictRow): string {
  return [relation, key, column, winner.dot, loser.dot].join(' ');
}

function logsOf(history: readonly ChangeTransaction[]) {
  const streams = new Map(MEMBERS.map((region) => [region, new MemoryStream()]));
  for (const transaction of history) {
    const { replica, region } = transaction;
    const state = { replica, sequence: 0, hlc: 0 as Hlc, vector: EMPTY_VECTOR, settings: SETTINGS };
    const frames = frameRecords([ownTransactionRecord(transaction, WHOLE, 1, state)]);
    for (const { bytes } of frames) must(streams.get(region), 'stream').store(bytes);
  }
  return streams;
}

/** Lives through the history in some order that causality allows, with crashes that lose an own tail. */
async function live(
  history: readonly ChangeTransaction[],
  choose: (count: number) => number,
  crashes: number,
): Promise<readonly string[]> {
  const region = new RecordingRegion();
  const own = history.filter(({ replica }) => replica === OWN);
  let captured = 0;
  for (let left = crashes; ;) {
    const ready = history.filter(({ replica, sequence, deps }) => {
      const have = new Map(region.applied).set(OWN, captured);
      return sequence === (have.get(replica) ?? 0) + 1 && covers(have, deps);
    });
    const next = ready[choose(ready.length)];
    if (next === undefined) break;
    if (next.replica === OWN) region.capture(must(own[captured++], 'own'));
    else region.apply(next, captured);
    if (choose(3) === 0) region.record();
    if (left > 0 && choose(6) === 0) {
      left--;
      // Peers have none of what comes after: what they had of it would have come back from them.
      const peers = REPLICAS.filter((replica) => replica !== OWN);
      const seen = history
        .filter(({ replica, sequence }) => sequence <= (region.applied.get(replica) ?? 0))
        .filter(({ replica }) => peers.includes(replica))
        .map(({ deps }) => deps.get(OWN) ?? 0);
      const floor = Math.max(0, ...seen);
      captured = floor + choose(captured - floor + 1);
      await region.crash(history, captured);
    }
  }
  region.record();
  return [...region.records.keys()].toSorted();
}

test('whatever order things arrive in and whatever the own log loses, the same conflicts stay recorded', async () => {
  await fc.assert(
    fc.asyncProperty(draws(2, 60), fc.infiniteStream(fc.nat()), async (steps, numbers) => {
      const history = playRegions(steps);
      const calm = await live(history, () => 0, 0);
      expect(await live(history, chooser(numbers), 3)).toEqual(calm);
    }),
    { numRuns: 1500 },
  );
});
