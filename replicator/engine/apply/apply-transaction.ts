import { EverywriteError } from '#core/errors.ts';
import { mutant } from '#core/mutant.ts';
import { relationId } from '#core/relation.ts';
import { formatVector } from '#core/version-vector.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { recordVerdicts, settleBatch } from '#replicator/engine/apply/batch.ts';
import type { Batch } from '#replicator/engine/apply/batch.ts';
import type { ConflictBuffer, ConflictRows } from '#replicator/engine/apply/conflict-buffer.ts';
import { applyFenced } from '#replicator/engine/apply/fenced-rows.ts';
import type { PlannedKey } from '#replicator/engine/apply/planned-key.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import {
  adoptOutcomes,
  recordStatements,
  verdictStatements,
} from '#replicator/engine/apply/outcomes.ts';
import { decideRows, findMissed, slowRows } from '#replicator/engine/apply/row-decisions.ts';
import { truncateConflicts, truncateTables } from '#replicator/engine/apply/truncate.ts';
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
    const decided = await decideRows(this.#context, this.#batch, this.#careful);
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
      const pass = (): Promise<void> => fence.pass(fenceTimeoutMs);
      outcomes.push(...(await truncateTables(this.#context, session, this.#batch, pass)));
    }
    const slow = await slowRows(this.#context, [
      ...missed,
      ...decided.slow.flatMap(({ keys }) => keys),
    ]);
    outcomes.push(...(await applyFenced(this.#context, session, this.#batch, slow, this.#careful)));
    const pending = this.#pending.drain();
    try {
      const report = await this.#commit(session, outcomes, pending);
      this.settle();
      const slowCount = slow.reduce((sum, { keys }) => sum + keys.length, 0);
      const fastRows = decided.statements.reduce((sum, { rows }) => sum + rows.length, 0);
      return { fastRows: fastRows - missed.length, slowRows: slowCount, ...report };
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
    if (result?.kind !== 'advanced') throw vectorFenced();
    if (result.count !== 1 && !mutant('marker-not-compared')) throw vectorFenced();
    this.#context.versions.wrote(this.generation, result.xid, result.snapshotXmin);
    return result.xid;
  }

  async #commit(
    session: DatabaseSession,
    outcomes: readonly Outcome[],
    pending: ConflictRows,
  ): Promise<Pick<ApplyReport, 'newlyRefused' | 'conflicts'>> {
    const { quarantine, useOrigin } = this.#context;
    truncateConflicts(this.#context.index, this.#batch);
    recordVerdicts(this.#batch);
    const met = this.#batch.conflicts.drain();
    const own = mutant('conflict-unrecorded') ? { ...met, add: [] } : met;
    this.#recorded = own.add;
    const closing = recordStatements(quarantine, outcomes, [pending, own]);
    if (useOrigin) closing.push({ kind: 'leaveOrigin' });
    closing.push(...verdictStatements(outcomes));
    await session.flight([...closing, { kind: 'commit' }]);
    const newlyRefused = adoptOutcomes(quarantine, outcomes);
    return { newlyRefused, conflicts: pending.add.length + own.add.length };
  }
}

export function vectorFenced(): EverywriteError {
  return new EverywriteError({
    code: 'VECTOR_FENCED',
    recovery: 'restart',
    message:
      'Another replicator applied here since this one last looked; this one starts afresh and waits for the slot.',
  });
}
