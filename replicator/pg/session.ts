import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import type { FlightLine, FlightOutcome } from '#replicator/engine/flight-session.ts';
import { SessionState } from '#replicator/engine/session-state.ts';
import type { Statement, StatementResult } from '#replicator/engine/statement.ts';
import type { Catalogue } from './table-catalogue.ts';
import type { DatabaseClient } from './database-client.ts';
import { connectionClosed, databaseError } from './database-error.ts';
import { watchingLocks } from './lock-watch.ts';
import type { LockWaitCancel } from './lock-watch.ts';
import { flushesMessages } from './sql-control.ts';
import type { Answer, Rendered } from './sql-query.ts';
import { renderStatement } from './sql-render.ts';
import { missing } from './table-shape.ts';
import type { TableShape } from './table-shape.ts';

export interface SessionOptions {
  readonly client: DatabaseClient;
  readonly catalogue: Catalogue;
  readonly serverVersion: number;
  readonly origin: string;
  /** Null for sessions that wait for no row lock. */
  readonly cancelLockWait: LockWaitCancel | null;
}

/** One connection that executes Statements as SQL. */
export class PgSession implements FlightLine {
  readonly state = new SessionState();
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  async leave(busy: boolean): Promise<void> {
    // In the middle of something a goodbye would wait for a lock that may never come.
    if (busy) this.#options.client.destroy();
    else await this.#options.client.end();
  }

  destroy(): void {
    this.#options.client.destroy();
  }

  closedError(cause: unknown): EverywriteError {
    return connectionClosed(cause);
  }

  async run(statements: readonly Statement[]): Promise<FlightOutcome> {
    let rendered: readonly Rendered[];
    try {
      await this.#loadShapes(statements);
      this.state.checkFlight(statements);
      rendered = statements.map((statement) => this.#render(statement));
    } catch (cause) {
      if (cause instanceof EverywriteError) return { kind: 'failed', error: cause };
      throw cause;
    }
    const { client, cancelLockWait } = this.#options;
    const sent = client.send(rendered.flatMap(({ queries }) => queries));
    const settled =
      cancelLockWait === null ? await sent : await watchingLocks(cancelLockWait, sent);
    const failed = settled.findIndex((answer) => answer.status === 'rejected');
    const failure = settled[failed];
    if (failure?.status === 'rejected') {
      const statement = statements[statementOf(rendered, failed)];
      return { kind: 'failed', error: this.#understand(failure.reason, statement) };
    }
    const answers = settled.flatMap((a) => (a.status === 'fulfilled' ? [a.value] : []));
    return this.#read(statements, rendered, answers);
  }

  async #loadShapes(statements: readonly Statement[]): Promise<void> {
    const { catalogue } = this.#options;
    for (const statement of statements) {
      if ('relation' in statement) await catalogue.shape(statement.relation);
    }
  }

  #render(statement: Statement): Rendered {
    const { catalogue, serverVersion, origin } = this.#options;
    const rendered = renderStatement(statement, {
      serverVersion,
      origin,
      underOrigin: this.state.underOrigin,
      savepointExists: this.state.savepointExists,
      shape: (relation): TableShape => {
        const shape = catalogue.known(relation);
        if (shape === undefined || shape === null) throw missing(relation, '42P01', 'the table');
        return shape;
      },
    });
    this.state.sent(statement, flushesMessages(serverVersion));
    return rendered;
  }

  #read(
    statements: readonly Statement[],
    rendered: readonly Rendered[],
    answers: readonly Answer[],
  ): FlightOutcome {
    let at = 0;
    const results: StatementResult[] = [];
    for (const [index, { queries, read }] of rendered.entries()) {
      const own = answers.slice(at, at + queries.length);
      at += queries.length;
      if (must(statements[index], 'statement').kind === 'commit') {
        const error = commitError(own);
        if (error !== undefined) return { kind: 'failed', error };
      }
      try {
        results.push(read(own));
      } catch (cause) {
        if (cause instanceof EverywriteError) return { kind: 'failed', error: cause };
        throw cause;
      }
    }
    return { kind: 'ok', results };
  }

  #understand(cause: unknown, statement: Statement | undefined): EverywriteError {
    const error = databaseError(cause);
    // One table's missing privilege, or its row level security, is no reason to stop the others.
    if (error.sqlState === '42501' && statement !== undefined && 'relation' in statement) {
      const { message, sqlState } = error;
      return new EverywriteError({
        code: 'ROW_REFUSED',
        recovery: 'operator',
        sqlState,
        message,
        cause,
      });
    }
    // The table changed under the catalogue: the next attempt must see it as it is now.
    if (error.sqlState?.startsWith('42') === true) this.#options.catalogue.forget();
    if (error.sqlState === '42P01' && error.message.includes('"everywrite.')) {
      const message = 'Everywrite\'s own tables are missing here; run "everywrite init".';
      return new EverywriteError({
        code: 'DATABASE_NOT_PREPARED',
        recovery: 'operator',
        sqlState: error.sqlState,
        message,
        cause,
      });
    }
    return error;
  }
}

/** Which statement the query at this place in the flight belongs to. */
function statementOf(rendered: readonly Rendered[], query: number): number {
  let end = 0;
  return rendered.findIndex(({ queries }) => (end += queries.length) > query);
}

/** COMMIT of an aborted transaction is no error in PostgreSQL: it answers ROLLBACK. */
function commitError(answers: readonly Answer[]): EverywriteError | undefined {
  const command = answers[0]?.command;
  if (command === 'COMMIT') return undefined;
  return new EverywriteError({
    code: 'STATEMENT_FAILED',
    recovery: 'restart',
    message: `COMMIT was answered by ${command ?? 'nothing'}: the transaction had failed before.`,
  });
}
