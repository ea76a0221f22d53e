import type { Backend } from '#sim/pg/backend.ts';
import type { ClientResult, ClientStatement } from '#sim/pg/client-statement.ts';
import type { Connection } from '#sim/pg/connection.ts';
import { runClient } from '#sim/pg/run-client.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { Step } from '#sim/pg/wait.ts';

/** A connection of an application. */
export class SimClient {
  readonly #connection: Connection;
  readonly #backend: Backend;

  constructor(connection: Connection, backend: Backend) {
    this.#connection = connection;
    this.#backend = backend;
  }

  /**
   * Rejects with SqlError, after which an explicit transaction has failed, or with an EverywriteError
   * DATABASE_UNREACHABLE: then a COMMIT on its way may or may not have happened.
   */
  async execute(statement: ClientStatement): Promise<ClientResult> {
    const answer = await this.#connection.answer<ClientResult | SqlError>((answered) => {
      this.#connection.toServer(() => {
        this.#backend.run(one(this.#backend, statement), (result) => {
          this.#connection.toClient(() => answered(result));
        });
      });
    });
    if (answer instanceof SqlError) throw answer;
    return answer;
  }

  close(): void {
    this.#connection.closeFromClient('closed');
  }
}

function* one(backend: Backend, statement: ClientStatement): Step<ClientResult | SqlError> {
  yield { kind: 'delay', us: backend.core.pace.statement(1) };
  try {
    return yield* runClient(backend, statement);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return error;
  }
}
