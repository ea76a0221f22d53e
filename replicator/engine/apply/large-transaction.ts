import type { Hlc } from '#core/hlc.ts';
import { relationId } from '#core/relation.ts';
import type { ChangeTransaction, Piece } from '#core/transaction.ts';
import { formatVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ApplyContext } from '#replicator/engine/apply/apply-context.ts';
import { vectorFenced } from '#replicator/engine/apply/apply-transaction.ts';
import type { ApplyReport } from '#replicator/engine/apply/apply-transaction.ts';
import { planBatch, recordVerdicts, settleBatch } from '#replicator/engine/apply/batch.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { applyFenced } from '#replicator/engine/apply/fenced-rows.ts';
import {
  adoptOutcomes,
  recordStatements,
  verdictStatements,
} from '#replicator/engine/apply/outcomes.ts';
import type { Outcome } from '#replicator/engine/apply/refusable-rows.ts';
import { decideRows, findMissed, slowRows } from '#replicator/engine/apply/row-decisions.ts';
import { truncateTables } from '#replicator/engine/apply/truncate.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { QuarantineRow, Statement } from '#replicator/engine/statement.ts';

export interface LargeProgress {
  readonly generation: number;
  readonly vector: VersionVector;
  readonly hlc: Hlc;
}

type NextPiece = () => Promise<{
  readonly transaction: ChangeTransaction;
  readonly piece: Piece;
} | null>;

/**
 * A transaction larger than a frame, applied piece by piece inside one database transaction, so that
 * memory holds one piece of it. Each piece is folded into the index as soon as it is written; whatever
 * fails after that ends the pipeline, which rebuilds the index from the log.
 */
export class LargeTransaction {
  readonly #context: ApplyContext;
  readonly #session: DatabaseSession;
  readonly #progress: LargeProgress;
  readonly #late: ConflictBuffer;
  readonly #refused: Outcome[] = [];
  #xid = 0;
  #report = { fastRows: 0, slowRows: 0, conflicts: 0 };

  constructor(
    context: ApplyContext,
    session: DatabaseSession,
    progress: LargeProgress,
    late: ConflictBuffer,
  ) {
    this.#context = context;
    this.#session = session;
    this.#progress = progress;
    this.#late = late;
  }

  /** Resolves to null when the pieces stopped coming: the pipeline is ending. */
  async run(next: NextPiece, lockTimeoutMs: number): Promise<ApplyReport | null> {
    await this.#open(lockTimeoutMs);
    for (;;) {
      const taken = await next();
      if (taken === null) return null;
      await this.#write(taken.transaction);
      if (taken.piece.last) break;
    }
    const { useOrigin, quarantine } = this.#context;
    const closing: Statement[] = useOrigin ? [{ kind: 'leaveOrigin' }] : [];
    closing.push(...verdictStatements(this.#refused));
    await this.#session.flight([...closing, { kind: 'commit' }]);
    const newlyRefused: readonly QuarantineRow[] = adoptOutcomes(quarantine, this.#refused);
    return { ...this.#report, newlyRefused };
  }

  async #open(lockTimeoutMs: number): Promise<void> {
    const { useOrigin, versions } = this.#context;
    const { generation, vector, hlc } = this.#progress;
    const marker: Statement = {
      kind: 'advanceVector',
      expectedGeneration: generation,
      vector: formatVector(vector),
      hlc,
    };
    const opening: Statement[] = [{ kind: 'begin', lockTimeoutMs }, marker];
    if (useOrigin) opening.push({ kind: 'enterOrigin' });
    const [, advanced] = await this.#session.flight(opening);
    if (advanced?.kind !== 'advanced' || advanced.count !== 1) throw vectorFenced();
    this.#xid = advanced.xid;
    versions.wrote(generation + 1, advanced.xid, advanced.snapshotXmin);
  }

  async #write(transaction: ChangeTransaction): Promise<void> {
    const { index, spill, fence, fenceTimeoutMs, quarantine, versions } = this.#context;
    for (const op of transaction.ops) {
      if (op.kind === 'truncate') await spill.loadTable(op.relation);
    }
    await spill.load(transaction.ops.filter((op) => op.kind !== 'truncate'));
    const conflicts = new ConflictBuffer();
    const batch = planBatch(index, [transaction], [], this.#progress, conflicts, versions.guard());
    const pass = (): Promise<void> => fence.pass(fenceTimeoutMs);
    const revived = await truncateTables(this.#context, this.#session, batch, pass);
    const decided = await decideRows(this.#context, batch, false);
    const statements = decided.statements.map(({ statement }) => statement);
    const attempt = await this.#session.attempt([{ kind: 'savepoint' }, ...statements]);
    const refused = attempt.kind === 'refused';
    if (refused) await this.#session.flight([{ kind: 'rollbackToSavepoint' }]);
    // A refused statement took its whole piece back: all of its rows go one by one.
    const missed = refused
      ? decided.statements.flatMap(({ rows }) => rows.map(({ planned }) => planned))
      : await findMissed(this.#session, decided.statements, attempt.results.slice(1), this.#xid);
    const again = [...missed, ...decided.slow.flatMap(({ keys }) => keys)];
    const slow = await slowRows(this.#context, again);
    const fenced = await applyFenced(this.#context, this.#session, batch, slow, refused);
    const outcomes = [...revived, ...decided.outcomes, ...fenced];
    recordVerdicts(batch);
    const own = conflicts.drain();
    const records = recordStatements(quarantine, outcomes, [own]);
    if (records.length > 0) await this.#session.flight(records);
    for (const outcome of outcomes) this.#refused.push(outcome);
    for (const { by, op } of batch.truncates) {
      index.foldTruncate(by, op, (slot) => this.#late.sink(relationId(slot.relation), slot.key));
    }
    settleBatch(index, batch, { conflicts: this.#late, recorded: own.add });
    this.#report.slowRows += again.length;
    this.#report.fastRows += decided.statements.reduce((sum, { rows }) => sum + rows.length, 0);
    this.#report.conflicts += own.add.length;
  }
}
