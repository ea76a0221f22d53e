import { mutant } from '#core/mutant.ts';
import type { PgText } from '#core/relation.ts';
import { compareStamps, happenedBefore, sameDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { applyDelta } from '#conflict/delta-family.ts';
import type { DeltaCell } from '#conflict/delta-family.ts';
import { Frontier } from '#conflict/frontier.ts';
import type { IsStable, Rivalry } from '#conflict/frontier.ts';

/** A value somebody wrote outright: an UPDATE of a register, an INSERT, NULL → value. */
export interface Assignment {
  readonly by: TransactionHeader;
  readonly value: PgText;
  /** `value` with what its own transaction added to it afterwards. */
  readonly folded: PgText;
  readonly fromInsert: boolean;
}

/**
 * The unstable deltas, newest first. A linked list, because states are copied on write and a hot
 * counter gathers thousands of deltas before they are stable: adding one must not copy the others.
 */
export interface DeltaList {
  readonly by: TransactionHeader;
  readonly cell: DeltaCell;
  readonly rest: DeltaList | null;
}

/**
 * The unstable writes of one column: the causally maximal assignments and all deltas. The value is the
 * greatest assignment's, plus the deltas that it had not seen (hazards T13). Immutable.
 */
export class ColumnState {
  readonly name: string;
  readonly assignments: Frontier<Assignment>;
  readonly deltas: DeltaList | null;

  constructor(name: string, assignments: Frontier<Assignment>, deltas: DeltaList | null) {
    this.name = name;
    this.assignments = assignments;
    this.deltas = deltas;
  }

  assign(next: Assignment, sink: ConflictSink): ColumnState {
    const folded = this.assignments.fold(next, rivalry(this.name, sink));
    return new ColumnState(this.name, folded, this.deltas);
  }

  add(by: TransactionHeader, cell: DeltaCell): ColumnState {
    // A transaction that assigned the column before adding to it means the sum; its delta then has the
    // assignment's own dot and would otherwise pass for seen.
    const own = this.assignments.writes.some((assignment) => sameDot(assignment.by, by));
    const assignments = own
      ? this.assignments.map((a) => (sameDot(a.by, by) ? increased(a, cell) : a))
      : this.assignments;
    return new ColumnState(this.name, assignments, { by, cell, rest: this.deltas });
  }

  /** The assignment that decides; undefined when the stored value still stands. */
  winner(): Assignment | undefined {
    let best: Assignment | undefined;
    for (const candidate of this.assignments.writes) {
      const arrival = mutant('winner-by-arrival');
      if (best === undefined || arrival || compareStamps(candidate.by, best.by) > 0) {
        best = candidate;
      }
    }
    return best;
  }

  /** The value, when `stored` is what it was for a reader who had seen exactly what `seenBy` had. */
  project(stored: PgText, seenBy: TransactionHeader | null): PgText {
    const winner = this.winner();
    return winner === undefined
      ? this.withUnseen(stored, seenBy)
      : this.withUnseen(winner.folded, winner.by);
  }

  /** `base` and every delta that `by` had not seen. */
  withUnseen(base: PgText, by: TransactionHeader | null): PgText {
    let value = base;
    for (let at = this.deltas; at !== null; at = at.rest) {
      const seen = by !== null && happenedBefore(at.by, by) && !mutant('seen-deltas-counted');
      if (!seen) value = applyDelta(value, at.cell);
    }
    return value;
  }

  /**
   * Forgets what nothing concurrent can meet any more; null when nothing is left. A delta stays while
   * an assignment that had not seen it does: a rebuild must be able to find both in the log.
   */
  prune(isStable: IsStable): ColumnState | null {
    const kept = this.assignments.prune(isStable);
    const needed = (by: TransactionHeader): boolean =>
      !isStable(by) || kept?.writes.some((write) => !happenedBefore(by, write.by)) === true;
    let deltas: DeltaList | null = null;
    let dropped = false;
    for (let at = this.deltas; at !== null; at = at.rest) {
      if (needed(at.by)) deltas = { by: at.by, cell: at.cell, rest: deltas };
      else dropped = true;
    }
    if (kept === null && deltas === null) return null;
    const assignments = kept ?? new Frontier<Assignment>([]);
    return new ColumnState(this.name, assignments, dropped ? deltas : this.deltas);
  }

  /** Every transaction that this state refers to. */
  *headers(): Iterable<TransactionHeader> {
    yield* this.assignments.headers();
    for (let at = this.deltas; at !== null; at = at.rest) yield at.by;
  }
}

function rivalry(column: string, sink: ConflictSink): Rivalry<Assignment> {
  return {
    contradict: (left, right) => left.value !== right.value,
    open(left, right) {
      const kind = left.fromInsert && right.fromInsert ? 'insert-insert' : 'update-update';
      sink.add(column, kind, contender(left), contender(right));
    },
    close: (left, right) => sink.retract(column, left, right),
  };
}

function contender(assignment: Assignment) {
  return { by: assignment.by, value: () => assignment.value };
}

// Its record keeps the value as it was written: a receiver meets the insert before the addition, and
// would otherwise record another value than the origin, which folded both before it met the rival.
function increased(assignment: Assignment, cell: DeltaCell): Assignment {
  return { ...assignment, folded: applyDelta(assignment.folded, cell) };
}
