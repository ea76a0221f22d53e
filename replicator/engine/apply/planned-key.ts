import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { isDelta, NO_BASE } from '#conflict/column-type.ts';
import type { ColumnType } from '#conflict/column-type.ts';
import { keyNames } from '#conflict/key-state.ts';
import type { KeyState } from '#conflict/key-state.ts';
import { must } from '#core/assert.ts';
import { addDecimals } from '#core/decimal.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { formatDot, sameDot } from '#core/transaction.ts';
import type { KeyedOp, TransactionHeader } from '#core/transaction.ts';
import { positionsIn } from '#replicator/engine/apply/local-tables.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import { replaces } from '#replicator/engine/index/slot.ts';
import type { Slot } from '#replicator/engine/index/slot.ts';
import type { ColumnWrite, LockedRow } from '#replicator/engine/statement.ts';

interface PlannedOp {
  readonly by: TransactionHeader;
  readonly op: KeyedOp;
}

/** One row of a batch: what was known when it was decided, and what the batch adds. */
export class PlannedKey {
  readonly relation: Relation;
  readonly key: RowKey;
  readonly base: Slot | undefined;
  readonly baseChanges: number;
  readonly baseOwnFolds: number;
  /** The last captured local transaction that the plan knows of; the slot's own moves on. */
  readonly knownXid: number | null;
  readonly ops: PlannedOp[] = [];
  readonly #before: KeyState | null;
  /** Null while one plain operation is all that there is to know of the row: the common case, never folded. */
  #state: KeyState | null;

  /** `before`: null for what `base` holds. */
  constructor(relation: Relation, key: RowKey, base: Slot | undefined, before: KeyState | null) {
    this.relation = relation;
    this.key = key;
    this.base = base;
    this.baseChanges = base?.changes ?? 0;
    this.baseOwnFolds = base?.ownFolds ?? 0;
    this.knownXid = base?.xid ?? null;
    this.#before = before;
    const single = before === null && base !== undefined && base.only !== null;
    const blank = base === undefined && before?.latest.length === 0;
    this.#state = single || blank ? null : this.before;
  }

  /** What was known before the batch; decides whether the row is in the table. */
  get before(): KeyState {
    return this.#before ?? must(this.base, 'slot').state;
  }

  /** True when the batch's only operation is all that needs to be known of the row. */
  get isPlain(): boolean {
    return this.#state === null && this.ops.length === 1;
  }

  get state(): KeyState {
    return (this.#state ??= this.#folded(NO_SINK));
  }

  add(by: TransactionHeader, op: KeyedOp, sink: () => ConflictSink): void {
    if (this.#state === null && this.#staysPlain({ by, op })) return;
    const known = this.#state ?? this.#folded(sink());
    this.#state = known.fold(by, op, sink());
    this.ops.push({ by, op });
  }

  /** Keeps the operation alone if nothing before it needs remembering. */
  #staysPlain(next: PlannedOp): boolean {
    const [only] = this.ops;
    if (only === undefined) {
      const known = this.base?.only ?? null;
      const first = this.base === undefined || (known !== null && replaces(next, known));
      if (first) this.ops.push(next);
      return first;
    }
    if (!replaces(next, only)) return false;
    this.ops[0] = next;
    return true;
  }

  #folded(sink: ConflictSink): KeyState {
    return this.ops.reduce((state, { by, op }) => state.fold(by, op, sink), this.before);
  }
}

const NO_SINK: ConflictSink = { add: () => undefined, retract: () => undefined };

/** What has to happen to the row; positions and values are in the order of the local table. */
export type RowAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'delete' }
  | {
      readonly kind: 'insert';
      readonly values: readonly PgText[];
      /** Positions of columns that only this region has: they take their defaults. */
      readonly absent?: readonly number[];
    }
  | {
      readonly kind: 'update';
      readonly columns: readonly number[];
      readonly writes: readonly NonNullable<ColumnWrite>[];
    }
  /** The row should exist, but no operation carries all of it. */
  | { readonly kind: 'incomplete' };

const NONE: RowAction = { kind: 'none' };
const DELETE: RowAction = { kind: 'delete' };
/** On the fast path: what the row becomes depends on what the table holds, so it is locked and read. */
const NEEDS_STORED: RowAction = { kind: 'incomplete' };

/**
 * The net effect of the batch on a row that the table holds as the index believes. Exact only where
 * the guard confirms that belief.
 */
export function fastAction(planned: PlannedKey, local: LocalRelation): RowAction {
  const [first] = planned.ops;
  if (planned.isPlain && first !== undefined) return plainAction(first.op, local);
  const { before, state, ops } = planned;
  const present = before.alive() ?? first?.op.kind !== 'insert';
  const alive = state.alive() ?? present;
  if (!alive) return present ? DELETE : NONE;
  if (!present) return insertAction(state, local.columns);
  const columns: number[] = [];
  const writes: NonNullable<ColumnWrite>[] = [];
  for (const position of touchedPositions(ops, local)) {
    const decided = decidingWrite(planned, local.columns[position] ?? '');
    if (decided === 'needsStored') return NEEDS_STORED;
    if (decided === null) continue;
    columns.push(position);
    writes.push(decided);
  }
  return columns.length === 0 ? NONE : { kind: 'update', columns, writes };
}

/** Nothing that is known is concurrent with it: the operation itself is the action. */
function plainAction(op: KeyedOp, local: LocalRelation): RowAction {
  if (op.kind === 'delete') return DELETE;
  const positions = positionsIn(op.relation, local);
  if (op.kind === 'insert') {
    if (positions.same) return { kind: 'insert', values: op.values };
    const values = positions.ofLocal.map((at) => (at < 0 ? null : (op.values[at] ?? null)));
    const absent = positions.ofLocal.flatMap((at, local) => (at < 0 ? [local] : []));
    return absent.length === 0 ? { kind: 'insert', values } : { kind: 'insert', values, absent };
  }
  const columns: number[] = [];
  const writes: NonNullable<ColumnWrite>[] = [];
  for (let at = 0; at < op.columns.length; at++) {
    const position = positions.ofRemote[op.columns[at] ?? -1] ?? -1;
    if (position < 0) continue;
    const cell = op.cells[at] ?? null;
    columns.push(position);
    if (!isDelta(cell)) writes.push({ kind: 'set', value: cell });
    else if (cell.kind === 'add') writes.push({ kind: 'add', amount: cell.amount });
    else return NEEDS_STORED;
  }
  return columns.length === 0 ? NONE : { kind: 'update', columns, writes };
}

/**
 * The same for a row that is locked and fenced: `row` is the table's version, null when absent. A row
 * in quarantine was refused before: what the table should hold is `wanted`, not what it holds.
 */
export function fencedAction(
  planned: PlannedKey,
  names: readonly string[],
  row: LockedRow | null,
  quarantined: ReadonlyMap<string, PgText> | null,
): RowAction {
  const { state, ops } = planned;
  const alive = state.alive() ?? (row !== null || quarantined !== null);
  if (!alive) return row === null ? NONE : DELETE;
  if (row === null) {
    // Of a row that no operation carries whole, the key is what is never on record.
    const whole =
      quarantined !== null && keyNames(planned.relation).every((n) => quarantined.has(n));
    if (!whole) return insertAction(state, names);
    const value = (name: string): PgText =>
      projectStored(state, ops, name, quarantined.get(name) ?? null);
    return inserted(names.map(value), names, (name) => quarantined.has(name) || knows(state, name));
  }
  const columns: number[] = [];
  const writes: NonNullable<ColumnWrite>[] = [];
  names.forEach((name, at) => {
    const stored = row.values[at] ?? null;
    const base = quarantined?.has(name) === true ? (quarantined.get(name) ?? null) : stored;
    const wanted = projectStored(state, ops, name, base);
    if (wanted === stored) return;
    columns.push(at);
    writes.push({ kind: 'set', value: wanted });
  });
  return columns.length === 0 ? NONE : { kind: 'update', columns, writes };
}

/** A column as it should be, given that the table holds everything but the batch's own deltas. */
function projectStored(
  state: KeyState,
  ops: PlannedKey['ops'],
  name: string,
  stored: PgText,
): PgText {
  const column = state.column(name);
  if (column === undefined) return state.project(name, { value: stored, has: () => true });
  if (isSum(column.type) && column.winner() === undefined && !insertDecides(state, name)) {
    // A hot counter has thousands of amounts, and the batch a few.
    return ops.reduce((value, { op }) => {
      const cell = cellOf(op, name);
      return cell !== undefined && isDelta(cell) ? column.type.apply(value, cell) : value;
    }, stored);
  }
  const dots = new Set(ops.map(({ by }) => formatDot(by)));
  return state.project(name, { value: stored, has: (by) => !dots.has(formatDot(by)) });
}

function insertDecides(state: KeyState, name: string): boolean {
  return state.insert !== null && state.insert.op.relation.columns.some((c) => c.name === name);
}

function insertAction(state: KeyState, names: readonly string[]): RowAction {
  const values = state.image(names);
  if (values === null) return { kind: 'incomplete' };
  return inserted(values, names, (name) => knows(state, name));
}

function inserted(
  values: readonly PgText[],
  names: readonly string[],
  known: (name: string) => boolean,
): RowAction {
  const absent = names.flatMap((name, at) => (values[at] === null && !known(name) ? [at] : []));
  return absent.length === 0 ? { kind: 'insert', values } : { kind: 'insert', values, absent };
}

/** Whether some operation that is remembered speaks of the column. */
function knows(state: KeyState, name: string): boolean {
  const { deletion } = state;
  return (
    state.column(name) !== undefined ||
    insertDecides(state, name) ||
    deletion?.op.relation.columns.some((column) => column.name === name) === true
  );
}

function decidingWrite({ state, ops }: PlannedKey, name: string): ColumnWrite | 'needsStored' {
  const column = state.column(name);
  const winner = column?.winner();
  if (column !== undefined && !isSum(column.type)) {
    if (winner === undefined) return 'needsStored';
    return { kind: 'set', value: state.project(name, NO_BASE) };
  }
  const by = winner?.by ?? (insertDecides(state, name) ? state.insert?.by : undefined);
  if (by !== undefined && isOfBatch(ops, by)) {
    return { kind: 'set', value: state.project(name, NO_BASE) };
  }
  let amount: string | null = null;
  for (const { op } of ops) {
    const cell = cellOf(op, name);
    if (cell === undefined || !isDelta(cell) || cell.kind !== 'add') continue;
    amount = amount === null ? cell.amount : addDecimals(amount, cell.amount);
  }
  return amount === null ? null : { kind: 'add', amount };
}

/** Types whose value is the winner's or the table's, with amounts added: the server can do that. */
function isSum({ text }: ColumnType): boolean {
  return text === 'lww' || text === 'counter';
}

// From the end: the winner is nearly always the newest operation.
function isOfBatch(ops: PlannedKey['ops'], by: TransactionHeader): boolean {
  return ops.findLast((planned) => sameDot(planned.by, by)) !== undefined;
}

/** Local positions of the columns that the batch says something of, ascending. */
function touchedPositions(ops: PlannedKey['ops'], local: LocalRelation): readonly number[] {
  const touched = new Set<number>();
  for (const { op } of ops) {
    if (op.kind === 'delete') continue;
    const { ofRemote } = positionsIn(op.relation, local);
    if (op.kind === 'insert') for (const position of ofRemote) touched.add(position);
    else for (const at of op.columns) touched.add(ofRemote[at] ?? -1);
  }
  touched.delete(-1);
  return [...touched].toSorted((left, right) => left - right);
}

function cellOf(op: KeyedOp, name: string) {
  if (op.kind !== 'update') return undefined;
  const at = op.columns.findIndex((position) => op.relation.columns[position]?.name === name);
  return at < 0 ? undefined : op.cells[at];
}
