import { mutant } from '#core/mutant.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, joinVectors, meetVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

/**
 * The matrix clock: per member what its last processed message proves it had. What every row covers
 * is stable: nothing that is still to come can be concurrent with it (hazards T4). Rows come from
 * messages of capture, in WAL order, for this region's own row too.
 */
export class StabilityMatrix {
  readonly #rows = new Map<RegionId, VersionVector>();

  constructor(members: readonly RegionId[]) {
    for (const member of members) this.#rows.set(member, EMPTY_VECTOR);
  }

  /** A message of `member`'s stream was processed here; `sequence` is its own dot so far. */
  observe(member: RegionId, replica: ReplicaId, sequence: number, vector: VersionVector): void {
    const row = this.#rows.get(member);
    if (row === undefined) return;
    const own = sequenceOf(row, replica) >= sequence ? row : new Map(row).set(replica, sequence);
    this.#rows.set(member, joinVectors(own, vector));
  }

  row(member: RegionId): VersionVector {
    return this.#rows.get(member) ?? EMPTY_VECTOR;
  }

  stable(): VersionVector {
    const rows = [...this.#rows.values()];
    return mutant('stable-too-early') ? rows.reduce(joinVectors) : meetVectors(rows);
  }
}
