import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { EMPTY_VECTOR, joinVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { encodeFrame } from '#replicator/engine/log/frame.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

export const REGIONS: readonly RegionId[] = ['eu', 'us', 'ap'].map(parseRegionId);

const NOTES: Relation = {
  schema: 'public',
  name: 'notes',
  columns: [{ name: 'id', typeOid: 25 }],
  keyColumns: [0],
};

/** Regions that write and see each other's writes; every region has a log of each. */
export class LoggedHistory {
  readonly transactions: ChangeTransaction[] = [];
  /** What each region has applied. */
  readonly #seen = new Map<RegionId, VersionVector>(
    REGIONS.map((region) => [region, EMPTY_VECTOR]),
  );
  #lsn = 100;

  static replica(region: RegionId): ReplicaId {
    return replicaId(region, 1);
  }

  seen(region: RegionId): VersionVector {
    return this.#seen.get(region) ?? EMPTY_VECTOR;
  }

  write(region: RegionId): ChangeTransaction {
    const replica = LoggedHistory.replica(region);
    const seen = this.seen(region);
    const sequence = sequenceOf(seen, replica) + 1;
    const deps = new Map(seen);
    deps.delete(replica);
    this.#lsn += 10;
    const key = `${replica}:${sequence}` as RowKey;
    const transaction: ChangeTransaction = {
      replica,
      region,
      epoch: 1,
      sequence,
      hlc: this.#lsn as Hlc,
      deps,
      commitLsn: (this.#lsn - 5) as Lsn,
      endLsn: this.#lsn as Lsn,
      commitTimeUs: this.#lsn,
      ops: [{ kind: 'insert', relation: NOTES, key, values: [key] }],
    };
    this.transactions.push(transaction);
    this.#seen.set(region, new Map(seen).set(replica, sequence));
    return transaction;
  }

  /** `reader` applies everything that `writer` has. */
  apply(reader: RegionId, writer: RegionId): void {
    this.#seen.set(reader, joinVectors(this.seen(reader), this.seen(writer)));
  }

  /** The log of `origin`, as every region holds it once it is copied. */
  log(origin: RegionId): MemoryStream {
    const stream = new MemoryStream();
    for (const transaction of this.transactions) {
      if (transaction.region === origin) stream.store(frameOf(transaction));
    }
    return stream;
  }
}

export function frameOf(transaction: ChangeTransaction): Uint8Array {
  const { replica, sequence, endLsn, hlc, deps, commitTimeUs } = transaction;
  return encodeFrame(
    {
      kind: 'transactions',
      replica,
      firstSequence: sequence,
      lastSequence: sequence,
      endLsn,
      hlc,
      vector: deps,
      settingsId: 1,
      part: 0,
      lastPart: true,
      wallUs: commitTimeUs,
    },
    [transaction],
  );
}
