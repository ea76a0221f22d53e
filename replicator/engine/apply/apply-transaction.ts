import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import { formatVector } from '#core/version-vector.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { settleBatch } from '#replicator/engine/apply/batch.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import type { ConflictBuffer, ConflictRows } from '#replicator/engine/apply/conflict-buffer.ts';
import { applyFenced } from '#replicator/engine/apply/fenced-rows.ts';
import { lacksColumn } from '#replicator/engine/apply/missing-columns.ts';
import type { SlowRows } from '#replicator/engine/apply/fenced-rows.ts';
import { fastAction } from '#replicator/engine/apply/planned-key.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import { rowStatements } from '#replicator/engine/apply/row-statements.ts';
import type { DecidedRow, RowStatement } from '#replicator/engine/apply/row-statements.ts';
import { truncateTables } from '#replicator/engine/apply/truncate.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type {
  ConflictRow,
  QuarantineRow,
  Statement,
  StatementResult,
} from '#replicator/engine/statement.ts';

export interface ApplyReport {
  readonly fastRows: number;
  readonly slowRows: number;
  /** Rows that were not in quarantine before. */
  readonly newlyRefused: readonly QuarantineRow[];
  readonly conflicts: number;
}

// A very large transaction is not written to the socket all at once.
const FLIGHT_MAX = 16;

interface Decided {
  readonly statements: readonly RowStatement[];
  readonly slow: readonly SlowRows[];
  readonly outcomes: readonly Outcome[];
}

/**
 * One apply transaction, in two flights when all goes well: marker and guarded writes, then commit.
 * Rows whose guard did not hold are fenced in between, under the same marker.
 */
export class ApplyTransaction {
  readonly #context: ApplyContext;
  readonly #batch: Batch;
  readonly #generation: number;
  readonly #careful: boolean;
  /** Conflicts found by capture since the last apply transaction: recorded with the next. */
  readonly #pending: ConflictBuffer;
  #settled = false;
  #recorded: readonly ConflictRow[] = [];

  constructor(
    context: ApplyContext,
    batch: Batch,
    options: {
      readonly generation: number;
      readonly careful: boolean;
      readonly pending: ConflictBuffer;
    },
  ) {
    this.#context = context;
    this.#batch = batch;
    this.#generation = options.generation;
    this.#careful = options.careful;
    this.#pending = options.pending;
  }

  /** The generation that the marker row has once this is committed. */
  get generation(): number {
    return this.#generation + 1;
  }

  async run(session: DatabaseSession): Promise<ApplyReport> {
    const { versions, useOrigin, fence, fenceTimeoutMs } = this.#context;
    const decided = await this.#decide();
    const opening: Statement[] = [
      { kind: 'begin', lockTimeoutMs: this.#context.lockTimeoutMs },
      this.#marker(),
    ];
    if (useOrigin) opening.push({ kind: 'enterOrigin' });
    const statements = decided.statements.map(({ statement }) => statement);
    const results = [...(await session.flight([...opening, ...statements.slice(0, FLIGHT_MAX)]))];
    const xid = this.#checkMarker(results[1]);
    for (let at = FLIGHT_MAX; at < statements.length; at += FLIGHT_MAX) {
      results.push(...(await session.flight(statements.slice(at, at + FLIGHT_MAX))));
    }
    const outcomes: Outcome[] = [...decided.outcomes];
    const missed = await findMissed(
      session,
      decided.statements,
      results.slice(opening.length),
      xid,
    );
    if (this.#batch.truncates.length > 0) {
      await truncateTables(this.#context, session, this.#batch, () => fence.pass(fenceTimeoutMs));
    }
    const slow = await this.#group([...missed, ...decided.slow.flatMap(({ keys }) => keys)]);
    outcomes.push(...(await applyFenced(this.#context, session, this.#batch, slow, this.#careful)));
    const pending = this.#pending.drain();
    try {
      const report = await this.#commit(session, outcomes, pending);
      this.settle();
      const slowRows = slow.reduce((sum, { keys }) => sum + keys.length, 0);
      const fastRows = decided.statements.reduce((sum, { rows }) => sum + rows.length, 0);
      return { fastRows: fastRows - missed.length, slowRows, ...report };
    } catch (error) {
      if (!this.#settled) {
        this.#pending.restore(pending);
        versions.forget(this.generation);
      }
      throw error;
    }
  }

  /** The transaction is in the WAL: fold it in. Called by capture at the marker, or after COMMIT's reply. */
  settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    const { index } = this.#context;
    for (const { by, op } of this.#batch.truncates) {
      index.foldTruncate(by, op, (slot) => this.#pending.sink(relationId(slot.relation), slot.key));
    }
    for (const key of this.#batch.dirty) this.#cleanUnlessMoved(key.relation, key.key);
    settleBatch(index, this.#batch, { conflicts: this.#pending, recorded: this.#recorded });
  }

  #cleanUnlessMoved(relation: PlannedKey['relation'], key: PlannedKey['key']): void {
    const { index } = this.#context;
    const id = relationId(relation);
    const planned = this.#batch.tables.get(id)?.get(key);
    const now = index.slot(id, key);
    if (now !== undefined && now.ownFolds !== planned?.baseOwnFolds) return;
    index.clean({ relation, key });
  }

  #marker(): Statement {
    const { vector, hlc } = this.#batch;
    const expectedGeneration = this.#generation;
    return { kind: 'advanceVector', expectedGeneration, vector: formatVector(vector), hlc };
  }

  #checkMarker(result: StatementResult | undefined): number {
    if (result?.kind !== 'advanced' || result.count !== 1) throw vectorFenced();
    this.#context.versions.wrote(this.generation, result.xid, result.snapshotXmin);
    return result.xid;
  }

  /** Sorts every planned row into guarded statements or the slow path. */
  async #decide(): Promise<Decided> {
    const { tables, quarantine, versions } = this.#context;
    const statements: RowStatement[] = [];
    const slow: SlowRows[] = [];
    const outcomes: Outcome[] = [];
    const dirty = new Set(
      this.#batch.dirty.map(({ relation, key }) => `${relationId(relation)} ${key}`),
    );
    const guard = versions.guard();
    const unguarded = this.#careful || this.#batch.truncates.length > 0;
    for (const [id, plans] of this.#batch.tables) {
      const [first] = plans.values();
      if (first === undefined) continue;
      const local = await tables.get(first.relation);
      if (local === null) {
        for (const planned of plans.values()) outcomes.push(tableMissing(planned));
        continue;
      }
      const fast: DecidedRow[] = [];
      const fenced: PlannedKey[] = [];
      for (const planned of plans.values()) {
        const suspect =
          unguarded ||
          lacksColumn(planned, local) ||
          quarantine.has(id, planned.key) ||
          (dirty.size > 0 && dirty.has(`${id} ${planned.key}`));
        const action = suspect ? null : fastAction(planned, local.columns);
        if (action === null || action.kind === 'incomplete') fenced.push(planned);
        else if (action.kind !== 'none') fast.push({ planned, action, row: null });
      }
      statements.push(...rowStatements(local.relation, fast, guard));
      if (fenced.length > 0) slow.push({ local, keys: fenced });
    }
    return { statements: inWriteOrder(statements), slow, outcomes };
  }

  async #group(keys: readonly PlannedKey[]): Promise<readonly SlowRows[]> {
    const grouped = Map.groupBy(keys, ({ relation }) => relationId(relation));
    const slow: SlowRows[] = [];
    for (const planned of grouped.values()) {
      const [first] = planned;
      const local = first === undefined ? null : await this.#context.tables.get(first.relation);
      if (local !== null) slow.push({ local, keys: planned });
    }
    return slow;
  }

  async #commit(
    session: DatabaseSession,
    outcomes: readonly Outcome[],
    pending: ConflictRows,
  ): Promise<Pick<ApplyReport, 'newlyRefused' | 'conflicts'>> {
    const { quarantine, useOrigin } = this.#context;
    const refused = outcomes.filter((outcome) => outcome.kind === 'refused');
    const released = outcomes.filter(
      ({ kind, planned }) =>
        kind === 'written' && quarantine.has(relationId(planned.relation), planned.key),
    );
    const own = this.#batch.conflicts.drain();
    this.#recorded = own.add;
    const add = [...pending.add, ...own.add];
    const remove = [...pending.remove, ...own.remove];
    const closing: Statement[] = [];
    if (add.length + remove.length > 0) closing.push({ kind: 'writeConflicts', add, remove });
    if (refused.length > 0) {
      closing.push({ kind: 'writeQuarantine', rows: refused.map(({ row }) => row) });
    }
    if (released.length > 0)
      closing.push({ kind: 'clearQuarantine', rows: released.map(identityOf) });
    if (useOrigin) closing.push({ kind: 'leaveOrigin' });
    await session.flight([...closing, { kind: 'commit' }]);
    const fresh = refused.filter(({ row, planned }) => !quarantine.has(row.relation, planned.key));
    for (const { planned, row } of refused) quarantine.suspend(planned.relation, planned.key, row);
    for (const { planned } of released)
      quarantine.release(relationId(planned.relation), planned.key);
    return { newlyRefused: fresh.map(({ row }) => row), conflicts: add.length };
  }
}

/** Rows that a guarded statement did not write: their versions are not ours. */
async function findMissed(
  session: DatabaseSession,
  statements: readonly RowStatement[],
  results: readonly StatementResult[],
  xid: number,
): Promise<readonly PlannedKey[]> {
  const missed: PlannedKey[] = [];
  for (const [at, { statement, rows }] of statements.entries()) {
    const result = results[at];
    if (result?.kind !== 'count' || result.count >= rows.length) continue;
    if (!('relation' in statement) || statement.relation === undefined) continue;
    const keys = rows.map(({ planned }) => planned.key);
    const [locked] = await session.flight([
      { kind: 'lockRows', relation: statement.relation, keys },
    ]);
    const found = new Map(
      (locked?.kind === 'locked' ? locked.rows : []).map((row) => [row.key, row.xmin]),
    );
    for (const { planned } of rows) {
      const xmin = found.get(planned.key);
      const done = statement.kind === 'deleteRows' ? xmin === undefined : xmin === xid;
      if (!done) missed.push(planned);
    }
  }
  return missed;
}

// All deletes of all tables first, then updates, then inserts: see rowStatements.
function inWriteOrder(statements: readonly RowStatement[]): readonly RowStatement[] {
  const rank = (s: Statement): number => ['deleteRows', 'updateRows', 'insertRows'].indexOf(s.kind);
  return statements.toSorted((left, right) => rank(left.statement) - rank(right.statement));
}

function tableMissing(planned: PlannedKey): Outcome {
  const relation = relationId(planned.relation);
  const reason = `Table ${relation} or its key columns do not exist in this region; create it, then run "everywrite init".`;
  const image = planned.state.image(planned.relation.columns.map(({ name }) => name));
  const pairs = planned.relation.columns.map(({ name }, at) => [name, image?.[at] ?? null]);
  const wanted = image === null ? null : JSON.stringify(Object.fromEntries(pairs));
  return {
    kind: 'refused',
    planned,
    row: { relation, key: planned.key, sqlState: '42P01', reason, wanted },
  };
}

function identityOf({ planned }: Outcome) {
  return { relation: relationId(planned.relation), key: planned.key };
}

function vectorFenced(): EverywriteError {
  return new EverywriteError({
    code: 'VECTOR_FENCED',
    recovery: 'restart',
    message:
      'Another replicator applied here since this one last looked; this one starts afresh and waits for the slot.',
  });
}
