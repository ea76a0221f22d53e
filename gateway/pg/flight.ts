import type { Row, Rows, Sql } from '#gateway/pg/sql-text.ts';

/** Statements that travel together; those before the first Sync are one transaction. */
export interface FlightPlan {
  readonly transaction: readonly Sql[];
  /** Each by itself, after the transaction has committed. */
  readonly afterCommit: readonly Sql[];
}

export interface FlightResult {
  readonly transaction: readonly Rows[];
  /** Empty when one of them failed: what was committed stays committed. */
  readonly afterCommit: readonly Rows[];
}

/** A statement failed and its transaction with it; `at` is its place, the number of statements for COMMIT. */
export class FlightError extends Error {
  override readonly name = 'FlightError';
  readonly at: number;

  constructor(cause: unknown, at: number) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.at = at;
  }
}

/** Reads the answers of one flight as they come. */
export class FlightReader {
  readonly #plan: FlightPlan;
  readonly #answers: Row[][] = [];
  #rows: Row[] = [];
  #syncs = 0;
  #failure: FlightError | null = null;
  #afterFailed = false;

  constructor(plan: FlightPlan) {
    this.#plan = plan;
  }

  row(fields: Row): void {
    this.#rows.push(fields);
  }

  complete(): void {
    this.#answers.push(this.#rows);
    this.#rows = [];
  }

  failed(error: unknown): void {
    this.#rows = [];
    if (this.#syncs > 0) this.#afterFailed = true;
    else this.#failure ??= new FlightError(error, this.#answers.length);
  }

  /** ReadyForQuery; true once it was the last. */
  ready(): boolean {
    this.#syncs += 1;
    return this.#syncs > this.#plan.afterCommit.length;
  }

  /** Throws what the transaction failed with. */
  result(): FlightResult {
    if (this.#failure !== null) throw this.#failure;
    const count = this.#plan.transaction.length;
    return {
      transaction: this.#answers.slice(0, count),
      afterCommit: this.#afterFailed ? [] : this.#answers.slice(count),
    };
  }
}
