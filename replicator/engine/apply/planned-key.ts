import type { KeyState } from '#conflict/key-state.ts';
import { applyDelta, isDelta } from '#conflict/delta-family.ts';
import { must } from '#core/assert.ts';
import { addDecimals } from '#core/decimal.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { sameDot } from '#core/transaction.ts';
import type { KeyedOp, TransactionHeader } from '#core/transaction.ts';
import type { Slot } from '#replicator/engine/index/unstable-index.ts';
import type { ColumnWrite, LockedRow } from '#replicator/engine/statement.ts';

/** One row of a batch: what was known when it was decided, and what the batch adds. */
export interface PlannedKey {
  readonly relation: Relation;
  readonly key: RowKey;
  readonly base: Slot | undefined;
  readonly baseChanges: number;
  readonly baseOwnFolds: number;
  /** What was known before the batch; decides whether the row is in the table. */
  readonly before: KeyState;
  state: KeyState;
  readonly ops: { readonly by: TransactionHeader; readonly op: KeyedOp }[];
}

/** What has to happen to the row. Column names, because tables may differ in column order. */
export type RowAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'delete' }
  | { readonly kind: 'insert'; readonly values: ReadonlyMap<string, PgText> }
  | { readonly kind: 'update'; readonly writes: ReadonlyMap<string, NonNullable<ColumnWrite>> }
  /** The row should exist, but no operation carries all of it. */
  | { readonly kind: 'incomplete' };

/**
 * The net effect of the batch on a row that the table holds as the index believes. Exact only where
 * the guard confirms that belief.
 */
export function fastAction(planned: PlannedKey, columns: readonly string[]): RowAction {
  const { before, state, ops } = planned;
  const present = before.alive() ?? ops[0]?.op.kind !== 'insert';
  const alive = state.alive() ?? present;
  if (!alive) return { kind: present ? 'delete' : 'none' };
  if (!present) return insertAction(state, columns);
  const writes = new Map<string, NonNullable<ColumnWrite>>();
  for (const name of touchedColumns(ops)) {
    const decided = decidingWrite(planned, name);
    if (decided !== null) writes.set(name, decided);
  }
  return writes.size === 0 ? { kind: 'none' } : { kind: 'update', writes };
}

/**
 * The same for a row that is locked and fenced: `row` is the table's version, null when absent. A row
 * in quarantine was refused before: what the table should hold is `wanted`, not what it holds.
 */
export function fencedAction(
  planned: PlannedKey,
  columns: readonly string[],
  row: LockedRow | null,
  quarantined: ReadonlyMap<string, PgText> | null,
): RowAction {
  const { state, ops } = planned;
  const alive = state.alive() ?? (row !== null || quarantined !== null);
  if (!alive) return { kind: row === null ? 'none' : 'delete' };
  if (row === null) {
    const whole = quarantined !== null && columns.every((name) => quarantined.has(name));
    if (!whole) return insertAction(state, columns);
    const value = (name: string): PgText =>
      projectStored(state, ops, name, quarantined.get(name) ?? null);
    return { kind: 'insert', values: new Map(columns.map((name) => [name, value(name)])) };
  }
  const writes = new Map<string, NonNullable<ColumnWrite>>();
  columns.forEach((name, at) => {
    const stored = row.values[at] ?? null;
    const base = quarantined?.has(name) === true ? (quarantined.get(name) ?? null) : stored;
    const wanted = projectStored(state, ops, name, base);
    if (wanted !== stored) writes.set(name, { kind: 'set', value: wanted });
  });
  return writes.size === 0 ? { kind: 'none' } : { kind: 'update', writes };
}

/** A column as it should be, given that the table holds everything but the batch's own deltas. */
function projectStored(
  state: KeyState,
  ops: PlannedKey['ops'],
  name: string,
  stored: PgText,
): PgText {
  const decided = state.column(name)?.winner() !== undefined || insertDecides(state, name);
  if (decided) return state.project(name, stored, null);
  let value = stored;
  for (const { op } of ops) {
    const cell = cellOf(op, name);
    if (cell !== undefined && isDelta(cell)) value = applyDelta(value, cell);
  }
  return value;
}

function insertDecides(state: KeyState, name: string): boolean {
  return state.insert !== null && state.insert.op.relation.columns.some((c) => c.name === name);
}

function insertAction(state: KeyState, columns: readonly string[]): RowAction {
  const image = state.image(columns);
  if (image === null) return { kind: 'incomplete' };
  return { kind: 'insert', values: new Map(columns.map((name, at) => [name, image[at] ?? null])) };
}

function decidingWrite({ state, ops }: PlannedKey, name: string): ColumnWrite {
  const winner = state.column(name)?.winner();
  const by = winner?.by ?? (insertDecides(state, name) ? state.insert?.by : undefined);
  if (by !== undefined && isOfBatch(ops, by)) {
    return { kind: 'set', value: state.project(name, null, null) };
  }
  let amount: string | null = null;
  for (const { op } of ops) {
    const cell = cellOf(op, name);
    if (cell === undefined || !isDelta(cell)) continue;
    amount = amount === null ? cell.amount : addDecimals(amount, cell.amount);
  }
  return amount === null ? null : { kind: 'add', amount };
}

// From the end: the winner is nearly always the newest operation.
function isOfBatch(ops: PlannedKey['ops'], by: TransactionHeader): boolean {
  return ops.findLast((planned) => sameDot(planned.by, by)) !== undefined;
}

function touchedColumns(ops: PlannedKey['ops']): Iterable<string> {
  const [only] = ops;
  if (ops.length === 1 && only !== undefined) return columnsOf(only.op);
  const names = new Set<string>();
  for (const { op } of ops) for (const name of columnsOf(op)) names.add(name);
  return names;
}

function columnsOf(op: KeyedOp): readonly string[] {
  switch (op.kind) {
    case 'insert':
      return op.relation.columns.map((column) => column.name);
    case 'update':
      return op.columns.map((at) => must(op.relation.columns[at], 'column').name);
    default:
      return [];
  }
}

function cellOf(op: KeyedOp, name: string) {
  if (op.kind !== 'update') return undefined;
  const at = op.columns.findIndex((position) => op.relation.columns[position]?.name === name);
  return at < 0 ? undefined : op.cells[at];
}
