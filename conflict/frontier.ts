import { happenedBefore } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';

export interface Write {
  readonly by: TransactionHeader;
}

export type IsStable = (by: TransactionHeader) => boolean;

/** Two concurrent writes that cannot both stand. */
export interface Pair {
  readonly left: TransactionHeader;
  readonly right: TransactionHeader;
}

// Most rows meet no conflict, and there may be hundreds of thousands of them.
const NO_PAIRS: readonly Pair[] = [];

/** What a kind of write needs to say about its conflicts. */
export interface Rivalry<W extends Write> {
  /** True when the two writes lose information to each other. Depends on the two alone. */
  contradict(left: W, right: W): boolean;
  open(left: W, right: W): void;
  close(left: TransactionHeader, right: TransactionHeader): void;
}

/**
 * The causally maximal writes, and the open pairs among the writes seen. A pair of concurrent writes
 * (x, y) is open unless some write that saw x is itself concurrent with y, or the other way round:
 * then that write carries the conflict on. The definition names no order of arrival, so all regions
 * that know the same writes hold the same pairs (tests/conflict/key-state.prop.test.ts).
 */
export class Frontier<W extends Write> {
  readonly writes: readonly W[];
  /** Open pairs; for the codec. */
  readonly pairs: readonly Pair[];

  constructor(writes: readonly W[], pairs: readonly Pair[] = NO_PAIRS) {
    this.writes = writes;
    this.pairs = pairs;
  }

  fold(next: W, rivalry: Rivalry<W>): Frontier<W> {
    const { by } = next;
    const standing: W[] = [];
    for (const other of this.writes) {
      if (happenedBefore(other.by, by)) continue;
      if (happenedBefore(by, other.by)) return this;
      standing.push(other);
    }
    if (standing.length === 0 && this.pairs.length === 0) return new Frontier<W>([next]);
    const pairs = this.pairs.filter((pair) => !carriedOn(pair, by, rivalry));
    for (const rival of standing) {
      if (!rivalry.contradict(rival, next)) continue;
      rivalry.open(rival, next);
      pairs.push({ left: rival.by, right: by });
    }
    return new Frontier<W>([...standing, next], pairs);
  }

  /** Every transaction that this frontier refers to. */
  *headers(): Iterable<TransactionHeader> {
    for (const { by } of this.writes) yield by;
    for (const { left, right } of this.pairs) yield* [left, right];
  }

  /** The same writes with other particulars. */
  map(change: (write: W) => W): Frontier<W> {
    return new Frontier<W>(this.writes.map(change), this.pairs);
  }

  /**
   * Nothing while any write can still meet a concurrent one: the stable ones are what retractions and
   * revivals refer to. Null once all are stable.
   */
  prune(isStable: IsStable): Frontier<W> | null {
    const needed = ({ left, right }: Pair): boolean => !isStable(left) || !isStable(right);
    const pairs = this.pairs.filter(needed);
    if (pairs.length === 0 && this.writes.every((write) => isStable(write.by))) return null;
    return pairs.length === this.pairs.length ? this : new Frontier<W>(this.writes, pairs);
  }
}

function carriedOn<W extends Write>(
  { left, right }: Pair,
  by: TransactionHeader,
  rivalry: Rivalry<W>,
): boolean {
  if (happenedBefore(left, by) === happenedBefore(right, by)) return false;
  rivalry.close(left, right);
  return true;
}
