import type { PgText } from '#core/relation.ts';
import { compareStamps, happenedBefore, sameDot } from '#core/transaction.ts';
import type { AddCell, DeltaCell, JoinCell, TransactionHeader } from '#core/transaction.ts';
import { NO_BASE } from '#conflict/column-type.ts';
import type { Base, ColumnType } from '#conflict/column-type.ts';
import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { latest } from '#conflict/families/register.ts';
import { Frontier } from '#conflict/frontier.ts';
import type { IsStable, Rivalry } from '#conflict/frontier.ts';
import { ColumnParts } from '#conflict/column-parts.ts';

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
  readonly cell: AddCell | JoinCell;
  readonly rest: DeltaList | null;
}

/** What the column is: what the writer with the greatest stamp declared it to be. */
export interface Typed {
  readonly type: ColumnType;
  readonly by: TransactionHeader;
}

/**
 * The unstable writes of one column: the causally maximal assignments, all amounts, and the parts that
 * were written apart. What they add up to is the type's business. Immutable.
 */
export class ColumnState {
  readonly name: string;
  readonly typed: Typed;
  readonly assignments: Frontier<Assignment>;
  readonly deltas: DeltaList | null;
  readonly parts: ColumnParts;

  constructor(
    name: string,
    typed: Typed,
    assignments: Frontier<Assignment>,
    deltas: DeltaList | null,
    parts: ColumnParts = ColumnParts.NONE,
  ) {
    this.name = name;
    this.typed = typed;
    this.assignments = assignments;
    this.deltas = deltas;
    this.parts = parts;
  }

  static blank(name: string, typed: Typed): ColumnState {
    return new ColumnState(name, typed, NO_ASSIGNMENTS, null);
  }

  get type(): ColumnType {
    return this.typed.type;
  }

  assign(next: Assignment, type: ColumnType, sink: ConflictSink): ColumnState {
    const typed = newerType(this.typed, type, next.by);
    const folded = this.assignments.fold(next, rivalry(this.name, typed.type, sink));
    return new ColumnState(this.name, typed, folded, this.deltas, this.parts);
  }

  add(by: TransactionHeader, cell: DeltaCell, type: ColumnType, sink: ConflictSink): ColumnState {
    const { name } = this;
    const typed = newerType(this.typed, type, by);
    // A transaction that assigned the column before adding to it means the sum; its delta then has the
    // assignment's own dot and would otherwise pass for seen.
    const own = this.assignments.writes.some((assignment) => sameDot(assignment.by, by));
    const assignments = own
      ? this.assignments.map((a) => (sameDot(a.by, by) ? increased(a, type, cell) : a))
      : this.assignments;
    if (cell.kind === 'patch') {
      const parts = own
        ? this.parts
        : this.parts.with(by, cell, partRivalry(name, typed.type, sink));
      return new ColumnState(name, typed, assignments, this.deltas, parts);
    }
    return new ColumnState(name, typed, assignments, { by, cell, rest: this.deltas }, this.parts);
  }

  /** The assignments that the value begins with; none when it begins with what the table holds. */
  beginnings(base: Base): readonly Assignment[] {
    return base.holdsAssignments === true ? [] : this.assignments.writes;
  }

  /** The latest assignment; undefined when the stored value still stands. */
  winner(): Assignment | undefined {
    return latest(this.assignments.writes);
  }

  /** The value, given what the table holds. */
  project(base: Base): PgText {
    return this.type.project(this, base);
  }

  /** The value of a row that `deletion` took: `image` is what the deleter saw. */
  revived(image: PgText, deletion: TransactionHeader): PgText {
    const { writes } = this.assignments;
    const unseen = (write: Assignment): boolean => !happenedBefore(write.by, deletion);
    const winner = this.winner();
    const decided = this.type.joinsAssignments
      ? writes.some(unseen)
      : winner !== undefined && unseen(winner);
    if (decided) return this.project(NO_BASE);
    const has = (by: TransactionHeader): boolean => happenedBefore(by, deletion);
    return this.project({ value: image, has, holdsAssignments: true });
  }

  /**
   * Forgets what nothing concurrent can meet any more; null when nothing is left. A delta stays while
   * an assignment that had not seen it does: a rebuild must be able to find both in the log.
   */
  prune(isStable: IsStable): ColumnState | null {
    const settled = this.parts.prune(isStable, this.assignments.writes);
    const pruned = this.assignments.prune(isStable);
    // A part that is kept and had not seen an assignment is told by it what to be beside.
    const kept = pruned ?? (settled.needsAssignments ? this.assignments : null);
    const needed = (by: TransactionHeader): boolean =>
      !isStable(by) || kept?.writes.some((write) => !happenedBefore(by, write.by)) === true;
    let deltas: DeltaList | null = null;
    let dropped = false;
    for (let at = this.deltas; at !== null; at = at.rest) {
      if (needed(at.by)) deltas = { by: at.by, cell: at.cell, rest: deltas };
      else dropped = true;
    }
    // What is kept for an assignment's sake is kept as it is: the parts that it has not seen too.
    const parts = kept === null ? settled.parts : settled.besideAssignments;
    if (kept === null && deltas === null && parts.isEmpty) return null;
    const remaining = dropped ? deltas : this.deltas;
    return new ColumnState(this.name, this.typed, kept ?? NO_ASSIGNMENTS, remaining, parts);
  }

  /** Every transaction that this state refers to. */
  *headers(): Iterable<TransactionHeader> {
    yield* this.assignments.headers();
    for (let at = this.deltas; at !== null; at = at.rest) yield at.by;
    yield* this.parts.headers();
  }
}

export const NO_ASSIGNMENTS = new Frontier<Assignment>([]);

function newerType(known: Typed, type: ColumnType, by: TransactionHeader): Typed {
  return compareStamps(by, known.by) >= 0 ? { type, by } : known;
}

function rivalry(column: string, type: ColumnType, sink: ConflictSink): Rivalry<Assignment> {
  return {
    contradict: (left, right) => type.judge(left.value, right.value) !== 'agree',
    open(left, right) {
      const kind = left.fromInsert && right.fromInsert ? 'insert-insert' : 'update-update';
      const verdict = type.judge(left.value, right.value);
      const contender = ({ by, value }: Assignment, prevails: boolean) => ({
        by,
        value: () => value,
        prevails,
      });
      sink.add(
        column,
        kind,
        contender(left, verdict === 'left'),
        contender(right, verdict === 'right'),
      );
    },
    close: (left, right) => sink.retract(column, left, right),
  };
}

function partRivalry(column: string, type: ColumnType, sink: ConflictSink) {
  return (path: string): Rivalry<{ by: TransactionHeader; value: string | null }> => {
    const name = `${column}/${path}`;
    return {
      contradict: (left, right) => type.judgePart(left.value, right.value) !== 'agree',
      open(left, right) {
        const verdict = type.judgePart(left.value, right.value);
        const side = (write: typeof left, prevails: boolean) => ({
          by: write.by,
          value: () => write.value,
          prevails,
        });
        sink.add(
          name,
          'update-update',
          side(left, verdict === 'left'),
          side(right, verdict === 'right'),
        );
      },
      close: (left, right) => sink.retract(name, left, right),
    };
  };
}

// Its record keeps the value as it was written: a receiver meets the insert before the addition, and
// would otherwise record another value than the origin, which folded both before it met the rival.
function increased(assignment: Assignment, type: ColumnType, cell: DeltaCell): Assignment {
  return { ...assignment, folded: type.apply(assignment.folded, cell) };
}
