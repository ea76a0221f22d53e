import { must } from '#core/assert.ts';
import { addDecimals } from '#core/decimal.ts';
import type { Hlc } from '#core/hlc.ts';
import type { PgText, Relation } from '#core/relation.ts';
import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { KeyState } from '#conflict/key-state.ts';
import type { ChangeTransaction, RowOp, TransactionHeader, TruncateOp } from '#core/transaction.ts';
import { covers, EMPTY_VECTOR, meetVectors } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { planBatch, replan, settleBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { fastAction, fencedAction, PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { LocalRelation } from '#replicator/engine/apply/local-tables.ts';
import type { RowAction } from '#replicator/engine/apply/planned-key.ts';
import type { ColumnWrite } from '#replicator/engine/statement.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import { COLUMNS, REPLICAS, TABLE } from '#tests/conflict/region-histories.ts';
import type { StableRows } from '#tests/conflict/region-histories.ts';

export const OWN = must(REPLICAS[0], 'own replica');
const ID = relationId(TABLE);
// This region has the columns in another order than those that write to it say.
const NAMES = ['n', 'id', 'a'];
const SHAPE: Relation = {
  ...TABLE,
  columns: NAMES.map((name) =>
    must(
      TABLE.columns.find((c) => c.name === name),
      'column',
    ),
  ),
  keyColumns: [1],
};
const LOCAL: LocalRelation = { relation: SHAPE, columns: NAMES, uniqueColumns: new Set() };
const PROGRESS = { vector: EMPTY_VECTOR, hlc: 0 as Hlc };
const GUARD = { horizonXid: null, ownXids: [] };

interface StoredRow {
  /** In the order of NAMES. */
  readonly values: readonly PgText[];
  /** False for a local version that capture has not met: the guard does not hold for it. */
  readonly known: boolean;
}

/** One region's table and index, with everything in between played as simply as it can be. */
export class ReplayedRegion {
  readonly index = new UnstableIndex(OWN);
  readonly table = new Map<RowKey, StoredRow>();
  /** Local commits that capture has not met. */
  readonly uncaptured: ChangeTransaction[] = [];
  readonly #pending = new ConflictBuffer();

  constructor(stable: StableRows) {
    for (const [key, values] of stable)
      this.table.set(key, { values: locally(values), known: true });
  }

  rows(): ReadonlyMap<RowKey, readonly PgText[]> {
    const place = COLUMNS.map((name) => NAMES.indexOf(name));
    return new Map(
      [...this.table].map(([key, { values }]) => [key, place.map((at) => values[at] ?? null)]),
    );
  }

  /** A local transaction commits. */
  commit(transaction: ChangeTransaction): void {
    for (const op of transaction.ops) this.#execute(op);
    this.uncaptured.push(transaction);
  }

  /** Capture meets the oldest local commits. */
  capture(count: number): void {
    for (const transaction of this.uncaptured.splice(0, count)) {
      this.index.foldOwn(transaction, 1, () => IGNORE_CONFLICTS);
    }
    for (const [key, { values }] of this.table) {
      const waits = this.uncaptured.some(({ ops }) => ops.some((op) => touches(op, key)));
      if (!waits) this.table.set(key, { values, known: true });
    }
  }

  /** Apply writes remote transactions and dirty rows; `midway` runs between decision and commit. */
  apply(transactions: readonly ChangeTransaction[], midway: () => void): void {
    const { index } = this;
    // As the applier does: a dirty row waits for a batch without TRUNCATE.
    const emptied = transactions.some(({ ops }) => ops.some((op) => op.kind === 'truncate'));
    const dirty = emptied ? [] : index.dirtyKeys(100);
    const conflicts = new ConflictBuffer();
    const batch = planBatch(index, transactions, dirty, PROGRESS, conflicts, GUARD);
    if (emptied) this.#fence();
    for (const { by, op } of batch.truncates) this.#empty(by, op);
    const plans = [...(batch.tables.get(ID)?.values() ?? [])];
    const doubtful = new Set(dirty.map(({ key }) => key));
    for (const planned of plans) {
      const fast = !emptied && !doubtful.has(planned.key);
      if (fast && this.#write(planned.key, fastAction(planned, LOCAL))) continue;
      this.#fence();
      const again = replan(index, planned, IGNORE_CONFLICTS);
      batch.tables.get(ID)?.set(planned.key, again);
      const action = this.#fenced(again);
      if (action.kind === 'incomplete') throw new Error(`the row ${planned.key} is incomplete`);
      this.#write(planned.key, action);
    }
    midway();
    for (const { by, op } of batch.truncates) index.foldTruncate(by, op, () => IGNORE_CONFLICTS);
    for (const { relation, key } of dirty) {
      const folds = batch.tables.get(ID)?.get(key)?.baseOwnFolds;
      if (index.slot(ID, key)?.ownFolds === folds || index.slot(ID, key) === undefined) {
        index.clean({ relation, key });
      }
    }
    settleBatch(index, batch, { conflicts: this.#pending, recorded: [] });
  }

  /** What may be forgotten: everything that whoever is still to speak here has seen. */
  prune(applied: VersionVector, waiting: readonly ChangeTransaction[]): VersionVector {
    const others = waiting.map(({ deps, replica, sequence }) =>
      new Map(deps).set(replica, sequence - 1),
    );
    const own = this.uncaptured.map(({ deps, sequence }) => new Map(deps).set(OWN, sequence - 1));
    const stable = meetVectors([applied, ...others, ...own]);
    this.index.prune(stable);
    return stable;
  }

  /** Takes the rows that the TRUNCATE had seen, and gives back those whose delete it supersedes. */
  #empty(by: TransactionHeader, op: TruncateOp): void {
    const survivors = new Map<RowKey, KeyState>();
    for (const slot of this.index.slotsOf(ID)) {
      const after = slot.state.fold(by, op, IGNORE_CONFLICTS);
      if (after.alive() === true) survivors.set(slot.key, after);
    }
    for (const key of this.table.keys()) if (!survivors.has(key)) this.table.delete(key);
    for (const [key, state] of survivors) {
      if (this.table.has(key)) continue;
      const planned = new PlannedKey(TABLE, key, undefined, state);
      this.#write(key, fencedAction(planned, NAMES, null, null));
    }
  }

  #fence(): void {
    this.capture(this.uncaptured.length);
  }

  #fenced(planned: PlannedKey): RowAction {
    const row = this.table.get(planned.key);
    const locked = row === undefined ? null : { key: planned.key, xmin: 1, values: row.values };
    return fencedAction(planned, NAMES, locked, null);
  }

  /**
   * As the guarded statements do; false when the row is not as the index believes, or when capture met
   * an own write since the plan and no operation carries the whole row: such a row is fenced too.
   */
  #write(key: RowKey, action: RowAction): boolean {
    const row = this.table.get(key);
    switch (action.kind) {
      case 'none':
        return true;
      case 'delete':
        if (row?.known === false) return false;
        this.table.delete(key);
        return true;
      case 'insert':
        if (row !== undefined) return false;
        this.table.set(key, { values: action.values, known: true });
        return true;
      case 'update': {
        if (row?.known !== true) return false;
        const values = row.values.map((value, at) =>
          written(value, action.writes[action.columns.indexOf(at)]),
        );
        this.table.set(key, { values, known: true });
        return true;
      }
      default:
        return false;
    }
  }

  #execute(op: RowOp): void {
    if (op.kind === 'truncate') this.table.clear();
    else if (op.kind === 'insert')
      this.table.set(op.key, { values: locally(op.values), known: false });
    else if (op.kind === 'delete') this.table.delete(op.key);
    else {
      const values = [...must(this.table.get(op.key), 'row').values];
      op.columns.forEach((column, at) => {
        const position = NAMES.indexOf(COLUMNS[column] ?? '');
        const cell = op.cells[at] ?? null;
        const before = values[position] ?? null;
        if (typeof cell !== 'object' || cell === null) values[position] = cell;
        else if (cell.kind === 'add')
          values[position] = before === null ? null : addDecimals(before, cell.amount);
      });
      this.table.set(op.key, { values, known: false });
    }
  }
}

function locally(values: readonly PgText[]): readonly PgText[] {
  return NAMES.map((name) => values[COLUMNS.indexOf(name)] ?? null);
}

function written(value: PgText, write: ColumnWrite | undefined): PgText {
  if (write === undefined || write === null) return value;
  if (write.kind === 'set') return write.value;
  return value === null ? null : addDecimals(value, write.amount);
}

function touches(op: RowOp, key: RowKey): boolean {
  return op.kind === 'truncate' || op.key === key;
}

/** True when everything that `transaction` had seen has been applied. */
export function isReady(transaction: ChangeTransaction, applied: VersionVector): boolean {
  const { replica, sequence, deps } = transaction;
  return (applied.get(replica) ?? 0) === sequence - 1 && covers(applied, deps);
}
