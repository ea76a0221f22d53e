import type { ReplicaId } from '#core/region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { covers } from '#core/version-vector.ts';
import type { StableRows } from '#tests/conflict/region-histories.ts';
import { isReady, OWN, ReplayedRegion } from '#tests/replicator/engine/index/replayed-region.ts';

export interface Schedule {
  /** How many remote transactions go into the next batch. */
  batch(): number;
  /** How many own transactions capture meets now; 99 for all. */
  capture(): number;
  prunes(): boolean;
}

/**
 * Plays a history as the first region lives through it: local commits exactly when their dependencies
 * say, remote transactions in batches, capture behind. `look` is called whenever nothing is in flight.
 */
export function replay(
  history: readonly ChangeTransaction[],
  stable: StableRows,
  schedule: Schedule,
  look: (region: ReplayedRegion, applied: readonly ChangeTransaction[]) => void,
): ReplayedRegion {
  const region = new ReplayedRegion(stable);
  const applied = new Map<ReplicaId, number>();
  const done: ChangeTransaction[] = [];
  const waiting = [...history];
  const take = (transaction: ChangeTransaction): void => {
    waiting.splice(waiting.indexOf(transaction), 1);
    applied.set(transaction.replica, transaction.sequence);
    done.push(transaction);
  };
  const nextOwn = () => waiting.find(({ replica }) => replica === OWN);
  while (waiting.length > 0) {
    const own = nextOwn();
    const due = own !== undefined && covers(applied, own.deps);
    if (due) {
      take(own);
      region.commit(own);
      region.capture(schedule.capture());
    } else {
      const captured = (applied.get(OWN) ?? 0) - region.uncaptured.length;
      const batch = nextBatch(waiting, new Map(applied).set(OWN, captured), own, schedule.batch());
      if (batch.length === 0) region.capture(1);
      for (const transaction of batch) take(transaction);
      region.apply(batch, () => region.capture(schedule.capture()));
    }
    if (schedule.prunes()) region.prune(applied, waiting);
    look(region, done);
  }
  region.capture(99);
  while (region.index.dirtyCount > 0) region.apply([], () => undefined);
  region.prune(applied, []);
  look(region, done);
  return region;
}

/** Remote transactions that may go now, none that the next local commit had not seen. */
function nextBatch(
  waiting: readonly ChangeTransaction[],
  applied: Map<ReplicaId, number>,
  own: ChangeTransaction | undefined,
  limit: number,
): readonly ChangeTransaction[] {
  const batch: ChangeTransaction[] = [];
  for (const transaction of waiting) {
    const { replica, sequence, ops } = transaction;
    if (replica === OWN || batch.length >= limit || !isReady(transaction, applied)) continue;
    if (own !== undefined && sequence > (own.deps.get(replica) ?? 0)) continue;
    const alone = ops.some((op) => op.kind === 'truncate');
    if (alone && batch.length > 0) break;
    applied.set(replica, sequence);
    batch.push(transaction);
    if (alone) break;
  }
  return batch;
}
