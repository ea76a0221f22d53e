import type { ConflictKind, ConflictSink, Contender } from '#conflict/conflict-sink.ts';
import { compareStamps, formatDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { ConflictRow, ConflictSide } from '#replicator/engine/statement.ts';

interface Opened {
  readonly column: string;
  readonly kind: ConflictKind;
  readonly left: Contender;
  readonly right: Contender;
}

/**
 * Conflicts opened and retracted while rows are folded, netted: what a batch opens and closes again is
 * never written. The verdict is a function of the pair alone, so every region writes the same row.
 */
export class ConflictBuffer {
  readonly #added = new Map<string, ConflictRow>();
  readonly #removed = new Map<string, ConflictRow>();

  get isEmpty(): boolean {
    return this.#added.size === 0 && this.#removed.size === 0;
  }

  get size(): number {
    return this.#added.size + this.#removed.size;
  }

  get openedCount(): number {
    return this.#added.size;
  }

  /** The sink for one row's conflicts. */
  sink(relation: string, key: string): ConflictSink {
    return {
      add: (column, kind, left, right) => {
        const row = verdict(relation, key, { column, kind, left, right });
        const id = identity(row);
        this.#removed.delete(id);
        this.#added.set(id, row);
      },
      retract: (column, left, right) => {
        const [loser, winner] = compareStamps(left, right) < 0 ? [left, right] : [right, left];
        // TRUNCATE may win against its stamp, so either order may be the recorded one.
        this.#drop(retraction(relation, key, column, winner, loser));
        this.#drop(retraction(relation, key, column, loser, winner));
      },
    };
  }

  /** Takes everything out, for the transaction that records it. */
  drain(): { readonly add: readonly ConflictRow[]; readonly remove: readonly ConflictRow[] } {
    const drained = { add: [...this.#added.values()], remove: [...this.#removed.values()] };
    this.#added.clear();
    this.#removed.clear();
    return drained;
  }

  /** Puts drained rows back in front: their transaction did not commit. */
  restore(rows: { readonly add: readonly ConflictRow[]; readonly remove: readonly ConflictRow[] }) {
    for (const row of rows.remove) {
      if (!this.#added.has(identity(row))) this.#removed.set(identity(row), row);
    }
    for (const row of rows.add) {
      if (!this.#removed.has(identity(row))) this.#added.set(identity(row), row);
    }
  }

  #drop(row: ConflictRow): void {
    const id = identity(row);
    this.#added.delete(id);
    this.#removed.set(id, row);
  }
}

function verdict(relation: string, key: string, opened: Opened): ConflictRow {
  const { column, kind, left, right } = opened;
  const leftWins =
    left.prevails === true || (right.prevails !== true && compareStamps(left.by, right.by) > 0);
  const [winner, loser] = leftWins ? [left, right] : [right, left];
  return { relation, key, column, kind, winner: side(winner), loser: side(loser) };
}

function retraction(
  relation: string,
  key: string,
  column: string,
  winner: TransactionHeader,
  loser: TransactionHeader,
): ConflictRow {
  const none = { value: () => null };
  const sides = { winner: side({ by: winner, ...none }), loser: side({ by: loser, ...none }) };
  return { relation, key, column, kind: 'update-update', ...sides };
}

function side({ by, value }: Contender): ConflictSide {
  return { dot: formatDot(by), region: by.region, hlc: by.hlc, value: value() };
}

function identity(row: ConflictRow): string {
  const { relation, key, column, winner, loser } = row;
  return [relation, key, column, winner.dot, loser.dot].join('\u0001');
}
