import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { FlightLine, FlightOutcome } from '#replicator/engine/flight-session.ts';
import { SessionState } from '#replicator/engine/session-state.ts';
import { decideSqlState, UNREACHABLE } from '#replicator/engine/sql-state.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';
import type { Backend } from '#sim/pg/backend.ts';
import type { Connection } from '#sim/pg/connection.ts';
import { marksInTransaction, ROLLED_BACK, rowsOf, runStatement } from '#sim/pg/run-statement.ts';
import type { SimCatalogue } from '#sim/pg/sim-catalogue.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { Step } from '#sim/pg/wait.ts';

type Answer = StatementResult | SqlError;

export interface SessionParts {
  readonly connection: Connection;
  readonly backend: Backend;
  readonly catalogue: SimCatalogue;
  readonly origin: string;
}

/** The counterpart of PgSession: the same order of things, the same errors, no SQL. */
export class SimSession implements FlightLine {
  readonly state = new SessionState();
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  leave(): Promise<void> {
    this.#parts.connection.closeFromClient('the session was closed');
    return Promise.resolve();
  }

  destroy(error: EverywriteError): void {
    this.#parts.connection.closeFromClient(error.message);
  }

  closedError(): EverywriteError {
    const message = 'This database session is closed; open another one.';
    return new EverywriteError({ ...UNREACHABLE, message });
  }

  async run(statements: readonly Statement[]): Promise<FlightOutcome> {
    const { connection, backend, catalogue, origin } = this.#parts;
    let answers: readonly Answer[];
    try {
      for (const statement of statements) {
        if ('relation' in statement) await catalogue.require(statement.relation);
      }
      this.state.checkFlight(statements);
      const marks = marksInTransaction(backend.core.version);
      for (const statement of statements) this.state.sent(statement, marks);
      answers = await connection.answer<readonly Answer[]>((answered) => {
        connection.toServer(() => {
          backend.run(runAll(backend, statements, origin), (results) => {
            connection.toClient(() => answered(results));
          });
        });
      });
    } catch (cause) {
      if (cause instanceof EverywriteError) return { kind: 'failed', error: cause };
      throw cause;
    }
    return this.#read(answers);
  }

  #read(answers: readonly Answer[]): FlightOutcome {
    const refused = answers.find((answer) => answer instanceof SqlError);
    if (refused !== undefined) return { kind: 'failed', error: this.#understand(refused) };
    const results = answers.filter(
      (answer): answer is StatementResult => !(answer instanceof SqlError),
    );
    if (results.includes(ROLLED_BACK)) {
      const error = new EverywriteError({
        code: 'STATEMENT_FAILED',
        recovery: 'restart',
        message: 'COMMIT was answered by ROLLBACK: the transaction had failed before.',
      });
      return { kind: 'failed', error };
    }
    return { kind: 'ok', results };
  }

  #understand({ sqlState, message }: SqlError): EverywriteError {
    // The table changed under the catalogue: the next attempt must see it as it is now.
    if (sqlState.startsWith('42')) this.#parts.catalogue.forget();
    if (sqlState === 'P0002') {
      return new EverywriteError({ code: 'DATABASE_NOT_PREPARED', recovery: 'operator', message });
    }
    return new EverywriteError({ ...decideSqlState(sqlState), sqlState, message });
  }
}

/** A statement that fails does not keep the server from the next one of the flight. */
function* runAll(
  backend: Backend,
  statements: readonly Statement[],
  origin: string,
): Step<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const statement of statements) {
    if (!isBookkeeping(statement)) {
      yield { kind: 'delay', us: backend.core.pace.statement(rowsOf(statement)) };
    }
    try {
      answers.push(yield* runStatement(backend, statement, origin));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      answers.push(error);
    }
  }
  return answers;
}

/** Touches nothing that others could see: it is over with the next statement. */
function isBookkeeping({ kind }: Statement): boolean {
  return (
    kind === 'begin' || kind === 'savepoint' || kind === 'enterOrigin' || kind === 'leaveOrigin'
  );
}

/** What the adapter says of a table that is not there, before it sends anything. */
export function missingTable(relation: {
  readonly schema: string;
  readonly name: string;
}): EverywriteError {
  return new EverywriteError({
    code: 'ROW_REFUSED',
    recovery: 'operator',
    sqlState: '42P01',
    message: `${relationId(relation)}: the table does not exist in this region; create it.`,
  });
}
