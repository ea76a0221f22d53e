import type { Lsn } from '#core/lsn.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, joinVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { CausalToken } from '#gateway/session/causal-token.ts';

/** What the frontier needs of a frame's header. */
export interface LoggedPosition {
  readonly replica: ReplicaId;
  readonly lastSequence: number;
  readonly endLsn: Lsn;
  readonly lastPart: boolean;
  readonly wallUs: number;
}

interface Origin {
  /** Frames that the log has and that are not all visible yet, oldest first. */
  readonly waiting: LoggedPosition[];
  /** Everything that its WAL held before here is visible. */
  passed: Lsn;
  /** The origin's clock at the newest frame of which everything is visible; null before the first. */
  freshUs: number | null;
  /** The newest sequence that a frame named. */
  known: number;
}

/** A token further ahead than this of all that is known of a replica was not made by us. */
const HORIZON_SEQUENCES = 1_000_000_000;

/**
 * What is visible in this region's database: own transactions once they are in the own log (they are
 * published only when every snapshot shows them), others' once the applied vector covers them.
 */
export class VisibleFrontier {
  readonly #own: RegionId;
  readonly #origins = new Map<ReplicaId, Origin>();
  #vector: VersionVector = EMPTY_VECTOR;
  /** Called when more is visible. */
  onAdvance: () => void = () => undefined;

  constructor(own: RegionId) {
    this.#own = own;
  }

  get vector(): VersionVector {
    return this.#vector;
  }

  /**
   * The feed begins anew. A database that was killed may show less than before: apply does not wait for
   * its commits to be flushed.
   */
  reset(vector: VersionVector): void {
    this.#origins.clear();
    this.#advance(vector);
  }

  /** The applied-vector row was read. */
  applied(vector: VersionVector): void {
    this.#advance(joinVectors(this.#vector, vector));
  }

  /** A frame was read from a log of this region; frames of one origin come in their order. */
  logged(header: LoggedPosition): void {
    const { replica, lastSequence } = header;
    const origin = this.#origin(replica);
    const whole = header.lastPart ? lastSequence : lastSequence - 1;
    origin.known = Math.max(origin.known, lastSequence);
    if (header.lastPart) origin.waiting.push(header);
    const own = regionOf(replica) === this.#own;
    if (own && whole > sequenceOf(this.#vector, replica)) {
      this.#advance(new Map(this.#vector).set(replica, whole));
    } else if (this.#pass(replica, origin)) this.onAdvance();
  }

  /** Whether the log holds what is not visible yet: then the applied vector is worth a look. */
  get behind(): boolean {
    for (const [replica, { waiting }] of this.#origins) {
      if (waiting.length > 0 && regionOf(replica) !== this.#own) return true;
    }
    return false;
  }

  covers(token: CausalToken): boolean {
    return this.missing(token) === null;
  }

  /** Whose writes are still missing; null when everything that the token names is visible. */
  missing({ seen, written }: CausalToken): ReplicaId | null {
    for (const [replica, sequence] of seen) {
      if (sequenceOf(this.#vector, replica) < sequence) return replica;
    }
    for (const [replica, lsn] of written) {
      // What was committed here is visible here.
      if (regionOf(replica) === this.#own) continue;
      if ((this.#origins.get(replica)?.passed ?? 0) < lsn) return replica;
    }
    return null;
  }

  /** A replica of which the token says what cannot be; null when there is none. */
  absurd({ seen }: CausalToken): ReplicaId | null {
    for (const [replica, sequence] of seen) {
      const known = Math.max(
        this.#origins.get(replica)?.known ?? 0,
        sequenceOf(this.#vector, replica),
      );
      if (sequence > known + HORIZON_SEQUENCES) return replica;
    }
    return null;
  }

  /** The token without what its sequences say already, and with sequences for what has become known. */
  settle({ seen, written }: CausalToken): CausalToken {
    const open = new Map(written);
    let vector = seen;
    for (const [replica, lsn] of written) {
      if ((this.#origins.get(replica)?.passed ?? 0) < lsn) continue;
      open.delete(replica);
      // At least this is needed for that position; more does no harm, for it is visible here.
      vector = joinVectors(vector, new Map([[replica, sequenceOf(this.#vector, replica)]]));
    }
    return { seen: vector, written: open };
  }

  /** How old what is missing of a peer may be, by the regions' clocks; null when nothing is known. */
  stalenessMs(peer: RegionId, nowUs: number): number | null {
    let freshUs: number | null = null;
    let newest = 0;
    for (const [replica, origin] of this.#origins) {
      if (regionOf(replica) !== peer || epochOf(replica) < newest) continue;
      newest = epochOf(replica);
      ({ freshUs } = origin);
    }
    return freshUs === null ? null : Math.max(0, (nowUs - freshUs) / 1000);
  }

  #advance(vector: VersionVector): void {
    this.#vector = vector;
    for (const [replica, origin] of this.#origins) this.#pass(replica, origin);
    this.onAdvance();
  }

  #pass(replica: ReplicaId, origin: Origin): boolean {
    const visible = sequenceOf(this.#vector, replica);
    let count = 0;
    for (const { lastSequence, endLsn, wallUs } of origin.waiting) {
      if (lastSequence > visible) break;
      if (endLsn > origin.passed) origin.passed = endLsn;
      origin.freshUs = Math.max(origin.freshUs ?? 0, wallUs);
      count++;
    }
    if (count > 0) origin.waiting.splice(0, count);
    return count > 0;
  }

  #origin(replica: ReplicaId): Origin {
    const known = this.#origins.get(replica);
    if (known !== undefined) return known;
    const origin: Origin = { waiting: [], passed: 0 as Lsn, freshUs: null, known: 0 };
    this.#origins.set(replica, origin);
    return origin;
  }
}
