import type { ConflictKind, ConflictSink, Contender } from '#conflict/conflict-sink.ts';
import { compareStamps, formatDot } from '#core/transaction.ts';
import type { TransactionHeader, UniqueContender, UniqueVerdict } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { ConflictRow, ConflictSide } from '#replicator/engine/statement.ts';

export interface ConflictRows {
  readonly add: readonly ConflictRow[];
  readonly remove: readonly ConflictRow[];
}

interface RowConflicts {
  readonly added: Map<string, ConflictRow>;
  readonly removed: Map<string, ConflictRow>;
}

/**
 * Conflicts opened and retracted while rows are folded, netted: what a batch opens and closes again is
 * never written. The verdict is a function of the pair alone, so every region writes the same row.
 */
export class ConflictBuffer {
  readonly #rows = new Map<string, RowConflicts>();

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** The sink for one row's conflicts. */
  sink(relation: string, key: string): ConflictSink {
    return {
      add: (column, kind, left, right) => {
        const row = verdict(relation, key, column, kind, left, right);
        const { added, removed } = this.#row(relation, key);
        removed.delete(identity(row));
        added.set(identity(row), row);
      },
      retract: (column, left, right) => {
        const { added, removed } = this.#row(relation, key);
        // TRUNCATE wins against any stamp, so either order may be the recorded one.
        for (const [winner, loser] of [
          [left, right],
          [right, left],
        ] as const) {
          const row = retraction(relation, key, column, winner, loser);
          added.delete(identity(row));
          removed.set(identity(row), row);
        }
      },
    };
  }

  /** The verdict on two rows that claimed one unique value, from the operation that carries it. */
  verdict(relation: string, key: string, cause: UniqueVerdict): void {
    const { constraint, winner, loser } = cause;
    const told = ({ row, ...side }: UniqueContender, what: string): ConflictSide => ({
      ...side,
      value: `{${JSON.stringify(what)}:${row},"constraint":${JSON.stringify(constraint)}}`,
    });
    const row: ConflictRow = {
      relation,
      key,
      column: '*',
      kind: 'unique',
      winner: told(winner, 'keeps'),
      loser: told(loser, 'insert'),
    };
    this.#row(relation, key).added.set(identity(row), row);
  }

  /** Forgets what was said about a row: it is folded again from a newer state. */
  discard(relation: string, key: string): void {
    this.#rows.delete(rowId(relation, key));
  }

  /** Rows recorded for a decision that was folded again since: what no longer holds is taken back. */
  reconcile(relation: string, key: string, recorded: readonly ConflictRow[]): void {
    for (const row of recorded) {
      // A verdict is what an operation says, not what folding found.
      if (row.relation !== relation || row.key !== key || row.kind === 'unique') continue;
      const { added, removed } = this.#row(relation, key);
      if (!added.has(identity(row))) removed.set(identity(row), row);
    }
  }

  /** Takes everything out, for the transaction that records it. */
  drain(): ConflictRows {
    const add: ConflictRow[] = [];
    const remove: ConflictRow[] = [];
    for (const { added, removed } of this.#rows.values()) {
      add.push(...added.values());
      remove.push(...removed.values());
    }
    this.#rows.clear();
    return { add, remove };
  }

  /** Puts drained rows back: their transaction did not commit. What came since then stands. */
  restore(rows: ConflictRows): void {
    for (const row of rows.remove) {
      const { added, removed } = this.#row(row.relation, row.key);
      if (!added.has(identity(row))) removed.set(identity(row), row);
    }
    for (const row of rows.add) {
      const { added, removed } = this.#row(row.relation, row.key);
      if (!removed.has(identity(row))) added.set(identity(row), row);
    }
  }

  #row(relation: string, key: string): RowConflicts {
    const id = rowId(relation, key);
    let row = this.#rows.get(id);
    if (row === undefined) this.#rows.set(id, (row = { added: new Map(), removed: new Map() }));
    return row;
  }
}

function rowId(relation: string, key: string): string {
  return `${relation}\u0001${key}`;
}

function verdict(
  relation: string,
  key: string,
  column: string,
  kind: ConflictKind,
  left: Contender,
  right: Contender,
): ConflictRow {
  const byStamp = right.prevails !== true && compareStamps(left.by, right.by) > 0;
  const [winner, loser] = left.prevails === true || byStamp ? [left, right] : [right, left];
  const sides = { winner: side(winner, loser.by), loser: side(loser, winner.by) };
  return { relation, key, column, kind, ...sides };
}

function retraction(
  relation: string,
  key: string,
  column: string,
  winner: TransactionHeader,
  loser: TransactionHeader,
): ConflictRow {
  const value = (): null => null;
  const sides = {
    winner: side({ by: winner, value }, loser),
    loser: side({ by: loser, value }, winner),
  };
  return { relation, key, column, kind: 'update-update', ...sides };
}

function side({ by, value }: Contender, other: TransactionHeader): ConflictSide {
  const saw = sequenceOf(by.deps, other.replica);
  return { dot: formatDot(by), region: by.region, hlc: by.hlc, saw, value: value() };
}

function identity({ column, winner, loser }: ConflictRow): string {
  return `${column}\u0001${winner.dot}\u0001${loser.dot}`;
}
