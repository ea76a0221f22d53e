import { addDecimals, isFiniteDecimal } from '#core/decimal.ts';
import type { PgText } from '#core/relation.ts';
import type { TransactionHeader } from '#core/transaction.ts';

/**
 * What a row's operations mean, by definition: the oracle. It folds nothing, prunes nothing, and imports
 * nothing that merges. Per region only the last operation can stand, because a region sees its own.
 */
export type SpecOp =
  | { readonly kind: 'insert'; readonly values: ReadonlyMap<string, PgText> }
  | { readonly kind: 'update'; readonly cells: ReadonlyMap<string, SpecCell> }
  | { readonly kind: 'delete' }
  | { readonly kind: 'truncate' };

/** A column set to a value, or a counter moved by an amount. */
export type SpecCell =
  | { readonly kind: 'set'; readonly value: PgText }
  | { readonly kind: 'add'; readonly amount: string };

/** The part of a header that decides. */
export type SpecHeader = Pick<
  TransactionHeader,
  'replica' | 'region' | 'epoch' | 'sequence' | 'hlc' | 'deps'
>;

export interface SeenOp {
  readonly by: SpecHeader;
  readonly op: SpecOp;
  /** Position in its transaction. */
  readonly at: number;
}

/** Whether the writer of `later` had seen `earlier`, or is it. */
export function saw(later: SpecHeader, earlier: SpecHeader): boolean {
  return later.replica === earlier.replica
    ? earlier.sequence <= later.sequence
    : earlier.sequence <= (later.deps.get(earlier.replica) ?? 0);
}

export function apart(left: SpecHeader, right: SpecHeader): boolean {
  return !saw(left, right) && !saw(right, left);
}

/** The total order of stamps. */
export function laterStamp(left: SpecHeader, right: SpecHeader): boolean {
  if (left.hlc !== right.hlc) return left.hlc > right.hlc;
  if (left.region !== right.region) return left.region > right.region;
  if (left.epoch !== right.epoch) return left.epoch > right.epoch;
  return left.sequence > right.sequence;
}

export function sameTransaction(left: SeenOp, right: SeenOp): boolean {
  return left.by.replica === right.by.replica && left.by.sequence === right.by.sequence;
}

function follows(later: SeenOp, earlier: SeenOp): boolean {
  return sameTransaction(later, earlier) ? later.at > earlier.at : saw(later.by, earlier.by);
}

/** Per replica its last operation. */
export function lastOps(ops: readonly SeenOp[]): readonly SeenOp[] {
  const last = new Map<string, SeenOp>();
  for (const op of ops) {
    const known = last.get(op.by.replica);
    if (known === undefined || follows(op, known)) last.set(op.by.replica, op);
  }
  return [...last.values()];
}

/** Whether the row exists; undefined when no operation says so. */
export function specifiedAlive(ops: readonly SeenOp[]): boolean | undefined {
  const last = lastOps(ops);
  const standing = last.filter((op) => !last.some((other) => other !== op && follows(other, op)));
  if (standing.length === 0) return undefined;
  const truncates = standing.filter(({ op }) => op.kind === 'truncate');
  let winner: SeenOp | null = null;
  for (const word of standing) {
    if (word.op.kind === 'truncate') continue;
    if (isYes(word) && truncates.some((truncate) => wipes(ops, word, truncate))) continue;
    if (winner === null || laterStamp(word.by, winner.by)) winner = word;
  }
  return winner !== null && isYes(winner);
}

export function isYes({ op }: SeenOp): boolean {
  return op.kind === 'insert' || op.kind === 'update';
}

/** TRUNCATE takes a row whose every insert, that the writer knew of, it had seen too. */
export function wipes(ops: readonly SeenOp[], word: SeenOp, truncate: SeenOp): boolean {
  return ops.every(
    (op) =>
      op.op.kind !== 'insert' || !(op === word || follows(word, op)) || saw(truncate.by, op.by),
  );
}

export interface Assignment {
  readonly by: SpecHeader;
  readonly at: number;
  readonly value: PgText;
  readonly fromInsert: boolean;
}

/** Per transaction its last assignment of the column. */
export function assignmentsOf(ops: readonly SeenOp[], column: string): readonly Assignment[] {
  const last = new Map<string, Assignment>();
  for (const { by, op, at } of ops) {
    const value = assigned(op, column);
    if (value === undefined) continue;
    last.set(`${by.replica}:${by.sequence}`, { by, at, value, fromInsert: op.kind === 'insert' });
  }
  return [...last.values()];
}

function assigned(op: SpecOp, column: string): PgText | undefined {
  if (op.kind === 'insert') return op.values.get(column) ?? null;
  if (op.kind !== 'update') return undefined;
  const cell = op.cells.get(column);
  return cell?.kind === 'set' ? cell.value : undefined;
}

/** The column's value; `stored` is what it was before any of these operations. */
export function specifiedValue(ops: readonly SeenOp[], column: string, stored: PgText): PgText {
  let winner: Assignment | null = null;
  for (const next of assignmentsOf(ops, column)) {
    if (winner === null || laterStamp(next.by, winner.by)) winner = next;
  }
  const value = winner === null ? stored : winner.value;
  if (value === null) return null;
  let sum = value;
  for (const { by, op, at } of ops) {
    const cell = op.kind === 'update' ? op.cells.get(column) : undefined;
    if (cell?.kind !== 'add' || (winner !== null && hadSeen(winner, by, at))) continue;
    if (isFiniteDecimal(sum)) sum = addDecimals(sum, cell.amount);
  }
  return sum;
}

// What the assigning transaction itself added afterwards is part of what it means.
function hadSeen(winner: Assignment, by: SpecHeader, at: number): boolean {
  const own = by.replica === winner.by.replica && by.sequence === winner.by.sequence;
  return own ? at < winner.at : saw(winner.by, by);
}

/** The row as these operations make it, or null. `before`: what stood there when none had happened. */
export function specifiedRow(
  ops: readonly SeenOp[],
  columns: readonly string[],
  before: ReadonlyMap<string, PgText> | null,
): Readonly<Record<string, PgText>> | null {
  if (!(specifiedAlive(ops) ?? before !== null)) return null;
  return Object.fromEntries(
    columns.map((name) => [name, specifiedValue(ops, name, before?.get(name) ?? null)]),
  );
}
