import { assert } from '#core/assert.ts';
import type { EverywriteError } from '#core/errors.ts';
import type { AttemptResult, DatabaseSession } from '#replicator/engine/database-port.ts';
import type { SessionState } from '#replicator/engine/session-state.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';

export type FlightOutcome =
  | { readonly kind: 'ok'; readonly results: readonly StatementResult[] }
  | { readonly kind: 'failed'; readonly error: EverywriteError };

/** One connection and its server, as a session needs them. */
export interface FlightLine {
  readonly state: SessionState;
  run(statements: readonly Statement[]): Promise<FlightOutcome>;
  /** Breaks the connection off. */
  destroy(error: EverywriteError): void;
  /** Ends it in peace, or breaks it off in the middle of a flight. */
  leave(busy: boolean): Promise<void>;
  /** The error of a session that was closed, because of `cause` if it is known. */
  closedError(cause: unknown): EverywriteError;
}

/**
 * What every session promises, whatever server is behind it: one flight at a time, and the end of the
 * connection at the first error that is not an answer, so that an origin that is still set cannot hide
 * whatever this session would write next (hazards.md, 12; session.pg.test.ts, "leaked").
 */
export class FlightSession implements DatabaseSession {
  readonly #line: FlightLine;
  #busy = false;
  #closed: { readonly cause: unknown } | undefined;

  constructor(line: FlightLine) {
    this.#line = line;
  }

  async flight(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    const outcome = await this.#exclusively(() => this.#line.run(statements));
    if (outcome.kind === 'ok') return outcome.results;
    throw this.#give(outcome.error);
  }

  async attempt(statements: readonly Statement[]): Promise<AttemptResult> {
    const outcome = await this.#exclusively(async () => {
      this.#line.state.checkAttempt(statements);
      return this.#line.run(statements);
    });
    if (outcome.kind === 'ok') return outcome;
    const { code, sqlState, message } = outcome.error;
    if (code !== 'ROW_REFUSED' || sqlState === undefined) throw this.#give(outcome.error);
    return { kind: 'refused', sqlState, reason: message };
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#closed = { cause: undefined };
    await this.#line.leave(this.#busy);
  }

  #give(error: EverywriteError): EverywriteError {
    this.#closed ??= { cause: error };
    this.#line.destroy(error);
    return error;
  }

  // A second flight on the wire behind a failing first one could begin a transaction of its own.
  async #exclusively(run: () => Promise<FlightOutcome>): Promise<FlightOutcome> {
    assert(!this.#busy, () => 'one flight at a time on a session');
    if (this.#closed !== undefined) throw this.#line.closedError(this.#closed.cause);
    this.#busy = true;
    try {
      return await run();
    } finally {
      this.#busy = false;
    }
  }
}
