import { isDelta } from '#conflict/column-type.ts';
import { describe } from '#conflict/existence.ts';
import type { PgText } from '#core/relation.ts';
import {
  compareStamps,
  concurrent,
  formatDot,
  happenedBefore,
  sameDot,
} from '#core/transaction.ts';
import type { Cell, TransactionHeader } from '#core/transaction.ts';
import { stampText } from '#deploy/records/conflict-record.ts';
import type { LoggedOp } from '#deploy/records/row-history.ts';

/** Who wrote something, and when. */
export interface Writer {
  readonly dot: string;
  readonly region: string;
  readonly hlc: number;
  readonly at: string;
  readonly operation: 'insert' | 'update' | 'delete' | 'truncate';
}

export interface Contribution extends Writer {
  /** The value it wrote, or what it added, as JSON. */
  readonly wrote: PgText;
}

/** Why one column is as it is; or, for column `*`, why the row is there or not. */
export interface ColumnExplanation {
  readonly column: string;
  readonly type: string;
  /** What the table holds now. */
  readonly stored: PgText;
  /** The write that decides; null when it is older than the log, or when all contribute. */
  readonly winner: Contribution | null;
  /** What it beat: written without having seen it, and it without having seen them. */
  readonly beat: readonly Contribution[];
  /** Added to it by writers that are not in its value yet. */
  readonly added: readonly Contribution[];
  /** The write that the winner had seen and replaced; null when it is older than the log. */
  readonly replaced: Contribution | null;
}

interface Wrote {
  readonly by: TransactionHeader;
  readonly operation: Writer['operation'];
  readonly cell: Cell;
}

export function explainColumn(
  column: string,
  type: string,
  stored: PgText,
  ops: readonly LoggedOp[],
): ColumnExplanation {
  const writes = ops.filter(({ applied }) => applied).flatMap((logged) => writesOf(logged, column));
  return decide(column, type, stored, writes);
}

/** The row's existence: inserts and updates say yes, deletes and TRUNCATE no. */
export function explainExistence(exists: boolean, ops: readonly LoggedOp[]): ColumnExplanation {
  const writes = ops
    .filter(({ applied }) => applied)
    .map(({ by, op }): Wrote => ({ by, operation: op.kind, cell: describe(op) }));
  return decide('*', 'existence', exists ? 'exists' : null, writes);
}

function decide(
  column: string,
  type: string,
  stored: PgText,
  writes: readonly Wrote[],
): ColumnExplanation {
  const assigned = writes.filter(({ cell }) => !isDelta(cell));
  const deltas = writes.filter(({ cell }) => isDelta(cell));
  const maximal = assigned.filter(
    ({ by }) => !assigned.some((other) => !sameDot(other.by, by) && happenedBefore(by, other.by)),
  );
  const winner = greatest(maximal);
  const rivals = maximal.filter((other) => winner !== undefined && concurrent(other.by, winner.by));
  const seen = assigned.filter(
    (other) =>
      winner !== undefined && !sameDot(other.by, winner.by) && happenedBefore(other.by, winner.by),
  );
  const unseen = deltas.filter(({ by }) => winner === undefined || !happenedBefore(by, winner.by));
  const replaced = greatest(seen);
  return {
    column,
    type,
    stored,
    winner: winner === undefined ? null : contribution(winner),
    beat: rivals.map(contribution),
    added: unseen.map(contribution),
    replaced: replaced === undefined ? null : contribution(replaced),
  };
}

function greatest(writes: readonly Wrote[]): Wrote | undefined {
  // Of one transaction the last word counts; its operations share a stamp.
  return writes.reduce<Wrote | undefined>(
    (best, next) => (best === undefined || compareStamps(next.by, best.by) >= 0 ? next : best),
    undefined,
  );
}

function writesOf({ by, op }: LoggedOp, column: string): readonly Wrote[] {
  if (op.kind === 'truncate' || op.kind === 'delete') return [];
  if (op.kind === 'insert') {
    const at = op.relation.columns.findIndex(({ name }) => name === column);
    return at < 0 ? [] : [{ by, operation: 'insert', cell: op.values[at] ?? null }];
  }
  const at = op.columns.findIndex((position) => op.relation.columns[position]?.name === column);
  return at < 0 ? [] : [{ by, operation: 'update', cell: op.cells[at] ?? null }];
}

function contribution({ by, operation, cell }: Wrote): Contribution {
  const wrote = isDelta(cell) ? JSON.stringify(cell) : cell;
  const { region, hlc } = by;
  return { dot: formatDot(by), region, hlc, at: stampText(hlc), operation, wrote };
}
