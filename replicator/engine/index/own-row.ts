import type { Clock } from '#core/ports.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { StabilityMatrix } from '#replicator/engine/index/stability.ts';

/** An own message that the log has acknowledged and may still forget. */
interface Acknowledged {
  readonly sequence: number;
  readonly vector: VersionVector;
  readonly atMs: number;
}

// Messages of one step are one entry: minutes of them are a thousand, not a million.
const STEP_MS = 100;

/**
 * This region's own row of the stability matrix. A message that the own log acknowledged before it wrote
 * it to the disk may be lost in a power cut; own transactions below it are then decoded again, and must
 * not meet a floor that rests on it alone. So a message counts once a peer has what came before it, from
 * where it would come back, or once the log's disk can be trusted with it (hazards T4).
 */
export class OwnRow {
  readonly #matrix: StabilityMatrix;
  readonly #own: { readonly region: RegionId; readonly replica: ReplicaId };
  readonly #members: readonly RegionId[];
  readonly #clock: Clock;
  readonly #trailMs: number;
  #waiting: Acknowledged[] = [];

  constructor(
    matrix: StabilityMatrix,
    own: { readonly region: RegionId; readonly replica: ReplicaId },
    members: readonly RegionId[],
    clock: Clock,
    /** How long an acknowledged frame may still be lost in a power cut. */
    trailMs: number,
  ) {
    this.#matrix = matrix;
    this.#own = own;
    this.#members = members.filter((member) => member !== own.region);
    this.#clock = clock;
    this.#trailMs = trailMs;
  }

  /** The own log has acknowledged a message with this last sequence and vector. */
  acknowledged(sequence: number, vector: VersionVector): void {
    const atMs = this.#clock.monotonicMs();
    const last = this.#waiting.at(-1);
    const before = this.#waiting.at(-2);
    if (last !== undefined && before !== undefined && last.atMs - before.atMs < STEP_MS) {
      this.#waiting.pop();
    }
    this.#waiting.push({ sequence, vector, atMs });
    if (this.#trailMs === 0) this.release();
  }

  /** Puts into the matrix what cannot be lost any more. */
  release(): void {
    const now = this.#clock.monotonicMs();
    const { region, replica } = this.#own;
    const copied = Math.max(
      0,
      ...this.#members.map((member) => sequenceOf(this.#matrix.row(member), replica)),
    );
    let count = 0;
    for (const { sequence, vector, atMs } of this.#waiting) {
      if (sequence > copied && atMs + this.#trailMs > now) break;
      this.#matrix.observe(region, replica, sequence, vector);
      count++;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
  }
}
