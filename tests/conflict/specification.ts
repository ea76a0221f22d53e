import type { PgText, RowPolicy } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { ChangeTransaction, RowOp, TransactionHeader } from '#core/transaction.ts';

/**
 * What a row's operations mean, by definition and from scratch: the model that the incremental code is
 * held to. It keeps nothing, prunes nothing and imports nothing that merges.
 */
export interface SeenOp {
  readonly by: ChangeTransaction;
  readonly op: RowOp;
  /** Position in its transaction: operations of one transaction follow each other. */
  readonly at: number;
}

export function operationsOn(history: readonly ChangeTransaction[], key: RowKey): SeenOp[] {
  return history.flatMap((by) =>
    by.ops
      .map((op, at) => ({ by, op, at }))
      .filter(({ op }) => op.kind === 'truncate' || op.key === key),
  );
}

/** Everything that a transaction had seen, itself included. */
export function saw(later: TransactionHeader, earlier: TransactionHeader): boolean {
  return later.replica === earlier.replica
    ? earlier.sequence <= later.sequence
    : earlier.sequence <= (later.deps.get(earlier.replica) ?? 0);
}

function follows(later: SeenOp, earlier: SeenOp): boolean {
  if (sameTransaction(later, earlier)) return later.at > earlier.at;
  return saw(later.by, earlier.by);
}

function sameTransaction(left: SeenOp, right: SeenOp): boolean {
  return left.by.replica === right.by.replica && left.by.sequence === right.by.sequence;
}

export function laterStamp(left: TransactionHeader, right: TransactionHeader): boolean {
  const key = (by: TransactionHeader) => [by.hlc, by.region, by.epoch, by.sequence] as const;
  const [a, b] = [key(left), key(right)];
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
}

/** Whether the row exists; undefined when no operation says so. */
export function specifiedAlive(
  ops: readonly SeenOp[],
  policy: RowPolicy = 'lww',
): boolean | undefined {
  const standing = ops.filter((op) => !ops.some((other) => follows(other, op)));
  if (standing.length === 0) return undefined;
  const decisive = policy === 'delete-wins' ? ['truncate', 'delete'] : ['truncate'];
  const truncates = standing.filter(({ op }) => decisive.includes(op.kind));
  const words = standing.filter(
    (word) => !truncates.includes(word) && !(isYes(word) && truncates.some(wipes(ops, word))),
  );
  if (policy === 'add-wins' && words.some(isYes)) return true;
  const last = words.find((w) => words.every((other) => other === w || isLater(w, other)));
  return last !== undefined && isYes(last);
}

function isLater(left: SeenOp, right: SeenOp): boolean {
  return laterStamp(left.by, right.by);
}

function isYes({ op }: SeenOp): boolean {
  return op.kind === 'insert' || op.kind === 'update';
}

/** TRUNCATE takes a row whose every insert, that the writer knew of, it had seen too. */
function wipes(ops: readonly SeenOp[], word: SeenOp): (truncate: SeenOp) => boolean {
  const births = ops.filter((o) => o.op.kind === 'insert' && (o === word || follows(word, o)));
  return (truncate) => births.every((birth) => saw(truncate.by, birth.by));
}

/** The column's value, `stored` being what it was before any of these operations. */
export function specifiedValue(ops: readonly SeenOp[], column: string, stored: PgText): PgText {
  const winner = assignments(ops, column).reduce<Assigned | null>(
    (best, next) => (best === null || laterStamp(next.by, best.by) ? next : best),
    null,
  );
  const amounts = ops
    .filter(({ by, at }) => winner === null || !saw(winner.by, by) || isAfter(winner, by, at))
    .map((op) => amountOf(op, column));
  const value = winner === null ? stored : winner.value;
  if (value === null || amounts.every((amount) => amount === 0)) return value;
  return String(amounts.reduce((sum, amount) => sum + amount, Number(value)));
}

interface Assigned {
  readonly by: TransactionHeader;
  readonly at: number;
  readonly value: PgText;
  readonly fromInsert: boolean;
}

// What the assigning transaction itself added afterwards is part of what it means.
function isAfter(winner: Assigned, by: TransactionHeader, at: number): boolean {
  const own = by.replica === winner.by.replica && by.sequence === winner.by.sequence;
  return own && at > winner.at;
}

/** Per transaction its last assignment of the column. */
function assignments(ops: readonly SeenOp[], column: string): readonly Assigned[] {
  const last = new Map<string, Assigned>();
  for (const { by, op, at } of ops) {
    const cell = cellOf(op, column);
    if (cell === undefined || (typeof cell === 'object' && cell !== null)) continue;
    const fromInsert = op.kind === 'insert';
    last.set(`${by.replica}:${by.sequence}`, { by, at, value: cell, fromInsert });
  }
  return [...last.values()];
}

function amountOf({ op }: SeenOp, column: string): number {
  const cell = cellOf(op, column);
  return typeof cell === 'object' && cell?.kind === 'add' ? Number(cell.amount) : 0;
}

function cellOf(op: RowOp, column: string) {
  if (op.kind === 'truncate' || op.kind === 'delete') return undefined;
  const position = op.relation.columns.findIndex(({ name }) => name === column);
  if (op.kind === 'insert') return op.values[position] ?? null;
  const at = op.columns.indexOf(position);
  return at < 0 ? undefined : op.cells[at];
}

/**
 * The open conflicts: concurrent writes that contradict each other, unless some write that saw the one
 * is itself concurrent with the other, and so carries the conflict on.
 */
export function specifiedConflicts(ops: readonly SeenOp[], columns: readonly string[]): string[] {
  const open = columns.flatMap((column) =>
    openPairs(assignments(ops, column), (l, r) =>
      l.value === r.value
        ? null
        : `${column} ${l.fromInsert && r.fromInsert ? 'insert-insert' : 'update-update'}`,
    ),
  );
  const lastWords = ops.filter(
    (op) => !ops.some((other) => sameTransaction(other, op) && other.at > op.at),
  );
  const truncated = (l: SeenOp, r: SeenOp): boolean => l.op.kind === 'truncate' && wipes(ops, r)(l);
  const existence = openPairs(lastWords, (l, r) => {
    if (isYes(l) === isYes(r)) return null;
    if (l.op.kind !== 'truncate' && r.op.kind !== 'truncate') return '* update-delete';
    return truncated(l, r) || truncated(r, l) ? '* truncate' : null;
  });
  return [...open, ...existence].toSorted();
}

function openPairs<W extends { readonly by: TransactionHeader }>(
  writes: readonly W[],
  contradict: (left: W, right: W) => string | null,
): readonly string[] {
  const apart = (x: W, y: W): boolean => !saw(x.by, y.by) && !saw(y.by, x.by);
  const pairs: string[] = [];
  for (const [at, x] of writes.entries()) {
    for (const y of writes.slice(at + 1)) {
      if (!apart(x, y)) continue;
      const carriedOn = writes.some(
        (z) =>
          (z !== x && saw(z.by, x.by) && apart(z, y)) ||
          (z !== y && saw(z.by, y.by) && apart(z, x)),
      );
      const what = carriedOn ? null : contradict(x, y);
      if (what !== null) pairs.push(`${what} ${[x, y].map(dotOf).toSorted().join(' ')}`);
    }
  }
  return pairs;
}

function dotOf({ by }: { readonly by: TransactionHeader }): string {
  return `${by.replica}:${by.sequence}`;
}
