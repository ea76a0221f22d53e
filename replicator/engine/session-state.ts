import { assert } from '#core/assert.ts';
import type { Statement } from '#replicator/engine/statement.ts';

/**
 * What the connection has been told so far, and the orders of statements that would do harm: part of the
 * contract of a DatabaseSession, so every adapter holds the engine to it.
 */
export class SessionState {
  #inTransaction = false;
  #underOrigin = false;
  #savepointExists = false;

  get underOrigin(): boolean {
    return this.#underOrigin;
  }

  get savepointExists(): boolean {
    return this.#savepointExists;
  }

  /** A failing statement does not keep the server from what was written behind it. */
  checkFlight(statements: readonly Statement[]): void {
    const kinds = statements.map(({ kind }) => kind);
    const ended = kinds.findIndex((kind) => kind === 'commit' || kind === 'rollback');
    assert(ended < 0 || !kinds.includes('begin', ended), () => {
      return 'a transaction that begins behind another in one flight would run even if that fails';
    });
    assert(kinds.lastIndexOf('rollbackToSavepoint') <= 0, () => {
      return 'rollbackToSavepoint inside a flight would hide a failure before it';
    });
  }

  /** After a refusal the transaction is aborted until it is rolled back to a savepoint. */
  checkAttempt(statements: readonly Statement[]): void {
    const [first] = statements;
    assert(
      !this.#inTransaction || this.#savepointExists || first?.kind === 'savepoint',
      () => 'an attempt inside a transaction needs a savepoint to come back to',
    );
    assert(
      statements.every(({ kind }) => kind !== 'commit' && kind !== 'begin'),
      () =>
        'an attempt ends before COMMIT, which would answer a refusal by rolling back in silence',
    );
  }

  sent(statement: Statement, marksInTransaction: boolean): void {
    switch (statement.kind) {
      case 'begin':
        assert(!this.#inTransaction, () => 'begin inside a transaction');
        this.#inTransaction = true;
        return;
      case 'commit':
        // The commit record would carry the origin, and capture would miss the marker with it.
        assert(!this.#underOrigin, () => 'commit before leaveOrigin');
        this.#endTransaction();
        return;
      case 'rollback':
        this.#underOrigin = false;
        this.#endTransaction();
        return;
      case 'savepoint':
        this.#savepointExists = true;
        return;
      case 'enterOrigin':
        assert(!this.#underOrigin, () => 'enterOrigin twice');
        this.#underOrigin = true;
        return;
      case 'leaveOrigin':
        this.#underOrigin = false;
        return;
      case 'emitVerdict':
        // Under the origin the server would keep it from capture.
        assert(!this.#underOrigin, () => 'emitVerdict before leaveOrigin');
        return;
      case 'emitMark':
        assert(
          !this.#inTransaction || marksInTransaction,
          () => 'before PostgreSQL 17 a mark has a transaction of its own',
        );
        return;
      default:
    }
  }

  #endTransaction(): void {
    this.#inTransaction = false;
    this.#savepointExists = false;
  }
}
