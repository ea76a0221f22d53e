import pg from 'pg';
import type { SessionKind } from '#replicator/engine/database-port.ts';
import { PINNED_SETTINGS } from './connection-settings.ts';
import { databaseError } from './database-error.ts';
import type { Answer, Query } from './sql-query.ts';

// Every shape of a statement is prepared once and kept by the server for as long as the session lives.
const PREPARED_MAX = 1_000;

const SETTINGS = {
  ...PINNED_SETTINGS,
  xmloption: 'content',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
} as const;

/**
 * A generic plan with hash and merge joins off is the one that reads the table by its index: the
 * planner guesses badly how many rows `unnest` gives, and 115,000 rows/s become 7,700.
 */
const APPLY_SETTINGS = {
  ...SETTINGS,
  synchronous_commit: 'off',
  plan_cache_mode: 'force_generic_plan',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_material: 'off',
  enable_memoize: 'off',
  jit: 'off',
} as const;

export interface DatabaseClientOptions {
  readonly url: string;
  readonly kind: SessionKind;
  readonly connectTimeoutMs: number;
}

/** One PostgreSQL connection that speaks text only and sends many statements before any answer. */
export class DatabaseClient {
  readonly #client: pg.Client;
  readonly #names = new Map<string, string>();
  #lost: unknown;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Rejects with an EverywriteError. */
  static async connect(options: DatabaseClientOptions): Promise<DatabaseClient> {
    const pgClient = new pg.Client(clientConfig(options));
    const client = new DatabaseClient(pgClient);
    // Also when idle: without a listener Node would end the process.
    pgClient.on('error', (error) => (client.#lost ??= error));
    pgClient.on('end', () => (client.#lost ??= new Error('the connection ended')));
    try {
      await pgClient.connect();
    } catch (cause) {
      client.destroy();
      throw databaseError(cause);
    }
    return client;
  }

  /** The server process that serves it. */
  get processId(): number {
    const { processID } = this.#client as pg.Client & { readonly processID?: number | null };
    return processID ?? 0;
  }

  /** What broke the connection, or undefined while it works. */
  get lost(): unknown {
    return this.#lost;
  }

  /**
   * Writes all queries at once; settles when the last one is answered. Each query ends with its own
   * Sync, so one that fails does not keep the server from the next: inside a transaction that is
   * 25P02 until ROLLBACK (session.pg.test.ts, "the first error").
   */
  async send(queries: readonly Query[]): Promise<readonly PromiseSettledResult<Answer>[]> {
    const { stream } = this.#client.connection;
    // One system call, and one wake-up of the server, instead of one for each query.
    stream.cork();
    const answers = queries.map(async (query) => this.#query(query));
    stream.uncork();
    return Promise.allSettled(answers);
  }

  /** One query by itself; rejects with an EverywriteError. */
  async ask(query: Query): Promise<Answer> {
    try {
      return await this.#query(query);
    } catch (cause) {
      throw databaseError(cause);
    }
  }

  /** Says goodbye after what was sent has been answered. */
  async end(): Promise<void> {
    if (this.#lost !== undefined) return;
    await this.#client.end().catch(() => {});
  }

  /** Drops the connection; the server rolls back and forgets the origin. */
  destroy(): void {
    this.#lost ??= new Error('the connection was dropped');
    this.#client.connection.stream.destroy();
  }

  async #query(query: Query): Promise<Answer> {
    const name = query.prepared ? this.#nameOf(query.text) : undefined;
    const result: unknown = await this.#client.query({
      text: query.text,
      rowMode: 'array',
      ...(query.values === undefined ? {} : { values: [...query.values] }),
      ...(name === undefined ? {} : { name }),
    });
    // Several statements in one text give several results; the last is the one asked for.
    const last = (Array.isArray(result) ? result.at(-1) : result) as pg.QueryArrayResult<
      (string | null)[]
    >;
    return { command: last.command, count: last.rowCount ?? 0, rows: last.rows };
  }

  #nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= PREPARED_MAX) return known;
    const name = `everywrite_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}

/** What pg_stat_activity shows. */
export function applicationName(kind: SessionKind): string {
  return `everywrite ${kind}`;
}

const KEEP_TEXT = {
  getTypeParser: () => (value: string) => value,
} as unknown as pg.CustomTypesConfig;

function clientConfig(options: DatabaseClientOptions): pg.ClientConfig {
  const url = new URL(options.url);
  const settings = options.kind === 'apply' ? APPLY_SETTINGS : SETTINGS;
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  // The driver lets the URL win, so the operator's own options are kept by joining them; ours are last.
  const theirs = url.searchParams.get('options') ?? '';
  url.searchParams.set('options', `${theirs} ${ours.join(' ')}`.trim());
  return {
    connectionString: url.href,
    application_name: applicationName(options.kind),
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    pipeline: true,
    types: KEEP_TEXT,
  };
}
