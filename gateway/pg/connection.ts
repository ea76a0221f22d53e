import pg from 'pg';
import { FlightReader } from '#gateway/pg/flight.ts';
import type { FlightPlan, FlightResult } from '#gateway/pg/flight.ts';
import { StatementNames } from '#gateway/pg/statement-names.ts';
import type { Row, Sql } from '#gateway/pg/sql-text.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** What the answers' text depends on. The search path is left to the role: functions may count on it. */
const SETTINGS = {
  DateStyle: 'ISO,MDY',
  IntervalStyle: 'iso_8601',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
  jit: 'off',
} as const;

/** The parts of pg's connection that a flight needs; its published types leave them out. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void; destroy(): void };
  parse(query: { readonly text: string; readonly name: string }): void;
  bind(query: { readonly statement: string; readonly values: readonly (string | null)[] }): void;
  execute(query: { readonly portal?: string }): void;
  close(query: { readonly type: 'S'; readonly name: string }): void;
  sync(): void;
  on(event: string, listener: (message: never) => void): void;
  removeAllListeners(event: string): void;
}

const EVENTS = [
  'readyForQuery',
  'errorMessage',
  'rowDescription',
  'dataRow',
  'portalSuspended',
  'emptyQuery',
  'commandComplete',
  'parseComplete',
] as const;

interface Waiting {
  readonly reader: FlightReader;
  readonly resolve: (result: FlightResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A connection that sends a whole request in one write: Parse, Bind, Execute for each statement and one
 * Sync, which ends the implicit transaction that they are in. So a read costs one round trip and no
 * BEGIN, and `set_config(…, true)` lasts until that Sync. pg does the dialling, TLS and authentication;
 * then its own query queue is taken off the wire.
 */
export class PgConnection {
  readonly #client: pg.Client;
  readonly #wire: Wire;
  readonly #names = new StatementNames();
  #waiting: Waiting | null = null;
  #lost: unknown = null;

  private constructor(client: pg.Client) {
    this.#client = client;
    this.#wire = (client as unknown as { readonly connection: Wire }).connection;
  }

  static async connect(options: ConnectionOptions): Promise<PgConnection> {
    const client = new pg.Client(clientConfig(options));
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    const connection = new PgConnection(client);
    connection.#takeOver();
    return connection;
  }

  get processId(): number {
    const { processID } = this.#client as unknown as { readonly processID?: number | null };
    return processID ?? 0;
  }

  get lost(): boolean {
    return this.#lost !== null;
  }

  /** One at a time. Rejects with a FlightError, or with what broke the connection. */
  async fly(plan: FlightPlan): Promise<FlightResult> {
    if (this.#lost !== null) throw asError(this.#lost);
    const reader = new FlightReader(plan);
    const { promise, resolve, reject } = Promise.withResolvers<FlightResult>();
    this.#waiting = { reader, resolve, reject };
    this.#wire.stream.cork();
    for (const sql of plan.transaction) this.#send(sql);
    this.#wire.sync();
    for (const sql of plan.afterCommit) {
      this.#send(sql);
      this.#wire.sync();
    }
    this.#wire.stream.uncork();
    return promise;
  }

  /** Drops it; the server rolls back. */
  destroy(): void {
    this.#lose(new Error('the connection was dropped'));
    this.#wire.stream.destroy();
  }

  async end(): Promise<void> {
    if (this.#lost !== null) return;
    this.#lost = new Error('the connection was closed');
    await this.#client.end().catch(() => {});
  }

  #send({ text, values }: Sql): void {
    const { name, parse, close } = this.#names.use(text);
    if (close !== null) this.#wire.close({ type: 'S', name: close });
    if (parse) this.#wire.parse({ text, name });
    this.#wire.bind({ statement: name, values });
    this.#wire.execute({});
  }

  #takeOver(): void {
    const wire = this.#wire;
    for (const event of EVENTS) wire.removeAllListeners(event);
    wire.on('dataRow', ({ fields }: { readonly fields: Row }) => this.#waiting?.reader.row(fields));
    wire.on('commandComplete', () => this.#waiting?.reader.complete());
    wire.on('emptyQuery', () => this.#waiting?.reader.complete());
    wire.on('parseComplete', () => this.#names.parsed());
    wire.on('errorMessage', (error: Error) => {
      this.#names.failed();
      if (this.#waiting === null) this.#lose(error);
      else this.#waiting.reader.failed(error);
    });
    wire.on('readyForQuery', () => this.#ready());
    this.#client.on('error', (error) => this.#lose(error));
    this.#client.on('end', () => this.#lose(new Error('the server closed the connection')));
  }

  #ready(): void {
    const waiting = this.#waiting;
    if (waiting === null || !waiting.reader.ready()) return;
    this.#waiting = null;
    try {
      waiting.resolve(waiting.reader.result());
    } catch (error) {
      waiting.reject(error);
    }
  }

  #lose(error: unknown): void {
    this.#lost ??= error;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(asError(error));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function clientConfig(options: ConnectionOptions): pg.ClientConfig {
  const url = new URL(options.url);
  const own = {
    ...SETTINGS,
    statement_timeout: String(options.statementTimeoutMs),
    idle_in_transaction_session_timeout: '0',
  };
  const ours = Object.entries(own).map(([name, value]) => `-c ${name}=${value}`);
  // In pg what stands in the url wins, so the operator's own options are kept by joining; ours are last.
  const theirs = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${theirs} ${ours.join(' ')}`.trim());
  return {
    connectionString: url.href,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
  };
}
