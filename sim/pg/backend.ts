import { must } from '#core/assert.ts';
import { OpenTransaction } from '#sim/pg/open-transaction.ts';
import type { Isolation } from '#sim/pg/open-transaction.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import { inFailedTransaction, SqlError } from '#sim/pg/sql-error.ts';
import type { Snapshot } from '#sim/pg/transaction.ts';
import { abortAll, abortCurrent, commit } from '#sim/pg/transaction-end.ts';
import type { Step, Wait } from '#sim/pg/wait.ts';

export type Outcome<Result> =
  | { readonly kind: 'ok'; readonly value: Result }
  | { readonly kind: 'error'; readonly error: SqlError };

/** One server process that serves a connection: runs one piece of work at a time. */
export class Backend {
  readonly core: ServerCore;
  readonly name: string;
  /** session_replication_role = replica: foreign keys are not looked at. */
  replica = false;
  synchronousCommit = true;
  /** 0: waits for ever. */
  lockTimeoutUs = 0;
  /** The replication origin that is set up. */
  origin: string | null = null;
  #open: OpenTransaction | null = null;
  /** What is to be looked at when the statement is over: foreign keys. */
  readonly afterStatement: (() => Step<void>)[] = [];
  /** Tells the client that the server ended the session. */
  onTerminated: () => void = () => {};
  #busy = false;
  #leaving = false;
  #gone = false;

  constructor(core: ServerCore, name: string) {
    this.core = core;
    this.name = name;
    core.backends.add(this);
  }

  get open(): OpenTransaction | null {
    return this.#open;
  }

  get transaction(): OpenTransaction {
    return must(this.#open, 'transaction');
  }

  begin(isolation: Isolation, explicit: boolean): OpenTransaction {
    this.#open = new OpenTransaction(this, isolation, explicit);
    this.#open.lockTimeoutUs = this.lockTimeoutUs;
    return this.#open;
  }

  /** The transaction is over, either way. */
  ended(): void {
    this.#open = null;
  }

  /** Runs to the end or to the first wait, and on from there. Never runs two things at once. */
  run<Result>(step: Step<Result>, done: (value: Result) => void): void {
    if (this.#gone) return;
    this.#busy = true;
    this.#advance(step, null, (value) => {
      this.#busy = false;
      if (this.#leaving) this.#exit();
      done(value);
    });
  }

  /** The client is gone: what it had sent is still done, then everything open is rolled back. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    if (!this.#busy) this.#exit();
  }

  /**
   * pg_terminate_backend: whatever it is doing is broken off, unless its commit is in the WAL already;
   * nothing interrupts a commit.
   */
  terminate(): void {
    if (this.#gone) return;
    this.#leaving = true;
    const committing = this.#busy && (this.#open?.commitLsn ?? 0) > 0;
    if (!committing) {
      this.core.waits.drop(this);
      this.#exit();
    }
    this.onTerminated();
  }

  /**
   * A statement, in a transaction of its own where none is open. An error aborts the transaction, or the
   * innermost savepoint, at once: its locks are free before the client says ROLLBACK.
   */
  *statement<Result>(work: (snapshot: Snapshot) => Step<Result>): Step<Result> {
    const transaction = this.#open ?? this.begin('read committed', false);
    if (transaction.failed) throw inFailedTransaction();
    const { explicit } = transaction;
    try {
      const result = yield* this.#withSnapshot(transaction, work);
      if (!explicit) yield* commit(this);
      return result;
    } catch (error) {
      this.afterStatement.length = 0;
      if (error instanceof SqlError) {
        if (explicit) abortCurrent(this);
        else abortAll(this);
      }
      throw error;
    }
  }

  *#withSnapshot<Result>(
    transaction: OpenTransaction,
    work: (snapshot: Snapshot) => Step<Result>,
  ): Step<Result> {
    const { ids } = this.core;
    transaction.command++;
    const snapshot = snapshotFor(transaction, this.core);
    ids.hold(snapshot);
    try {
      const result = yield* work(snapshot);
      for (let check = this.afterStatement.shift(); check !== undefined;) {
        yield* check();
        check = this.afterStatement.shift();
      }
      return result;
    } finally {
      ids.release(snapshot);
    }
  }

  #advance<Result>(
    step: Step<Result>,
    error: SqlError | null,
    done: (value: Result) => void,
  ): void {
    if (this.#gone) return;
    const next = error === null ? step.next() : step.throw(error);
    if (next.done === true) {
      done(next.value);
      return;
    }
    this.#wait(next.value, (failure) => this.#advance(step, failure, done));
  }

  #wait(wait: Wait, resume: (error: SqlError | null) => void): void {
    const { time, flusher, waits } = this.core;
    switch (wait.kind) {
      case 'delay':
        time.after(wait.us, () => resume(null));
        return;
      case 'flush':
        flusher.wait(wait.lsn, () => resume(null));
        return;
      default:
        waits.wait(this, wait, this.#open?.lockTimeoutUs ?? 0, resume);
    }
  }

  #exit(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#open !== null) abortAll(this);
    for (const [origin, holder] of this.core.origins) {
      if (holder === this) this.core.origins.delete(origin);
    }
    this.core.backends.delete(this);
  }
}

function snapshotFor(transaction: OpenTransaction, { ids }: ServerCore): Snapshot {
  const { top, command } = transaction;
  if (transaction.isolation === 'read committed') return ids.snapshot(top, command);
  if (transaction.snapshot === null) {
    transaction.snapshot = ids.snapshot(top, command);
    ids.hold(transaction.snapshot);
  }
  return { seq: transaction.snapshot.seq, top, command };
}
