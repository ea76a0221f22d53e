import pg from 'pg';
import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode, Recovery } from '#core/errors.ts';
import { serverOf, withoutSecrets } from '#replicator/config/secrets.ts';

const KEEP_TEXT = {
  getTypeParser: () => (value: string) => value,
} as unknown as pg.CustomTypesConfig;

export interface AdminClientOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** Opens a walsender session, which proves the right to replicate and that no pooler is between. */
  readonly replication?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** One ordinary connection for preparing and examining a database; never used to apply. */
export interface AdminClient {
  /** Rows as JSON gives them; cast 64-bit integers to text in the query. */
  select<Row>(query: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  /** One or several statements, no parameters, no rows. */
  execute(statements: string): Promise<void>;
  /** The rows of a replication command, as texts. */
  command(command: string): Promise<readonly Readonly<Record<string, string | null>>[]>;
  close(): Promise<void>;
}

/** Connects, or rejects with DATABASE_UNREACHABLE or PRIVILEGE_MISSING in the operator's words. */
export async function openAdminClient(options: AdminClientOptions): Promise<AdminClient> {
  options.signal?.throwIfAborted();
  const client = new pg.Client({
    connectionString: options.url,
    connectionTimeoutMillis: options.connectTimeoutMs,
    application_name: 'everywrite',
    types: KEEP_TEXT,
    ...(options.replication === true ? { replication: 'database' } : {}),
  });
  // A connection lost between two queries shows at the next one; unhandled, it would end the process.
  client.on('error', () => {});
  const abort = (): void => void client.end().catch(() => {});
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    // Names in catalogue output are qualified, and nobody's `public.now()` is called.
    if (options.replication !== true) {
      await client.query('SET search_path = pg_catalog');
      // Lets a server notice Ctrl-C while it waits for a lock or a slot; not every system can.
      await client.query("SET client_connection_check_interval = '1s'").catch(() => {});
    }
  } catch (cause) {
    await client.end().catch(() => {});
    throw connectError(options.url, cause);
  }
  return adminClient(client, () => options.signal?.removeEventListener('abort', abort));
}

function adminClient(client: pg.Client, detach: () => void): AdminClient {
  return {
    async select<Row>(query: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> {
      const text = `SELECT to_json(q)::text AS row FROM (${query}) q`;
      const result = await run(() => client.query<{ row: string }>(text, [...parameters]));
      return result.rows.map((row) => JSON.parse(row.row) as Row);
    },
    async execute(statements) {
      await run(() => client.query(statements));
    },
    async command(command) {
      const result = await run(() => client.query<Record<string, string | null>>(command));
      return result.rows;
    },
    async close() {
      detach();
      await client.end().catch(() => {});
    },
  };
}

async function run<Result>(query: () => Promise<Result>): Promise<Result> {
  try {
    return await query();
  } catch (cause) {
    throw statementError(cause);
  }
}

function connectError(url: string, cause: unknown): EverywriteError {
  const sqlState = sqlStateOf(cause);
  const why = reasonOf(cause);
  const server = serverOf(url);
  // 28: wrong password, no pg_hba.conf entry, no right to log in. 42501: no right to replicate.
  const refused = sqlState?.startsWith('28') === true || sqlState === '42501';
  return new EverywriteError({
    code: refused ? 'PRIVILEGE_MISSING' : 'DATABASE_UNREACHABLE',
    recovery: refused ? 'operator' : 'retry',
    message: refused
      ? `PostgreSQL at ${server} refuses this connection (${why}); check user, password and pg_hba.conf.`
      : `PostgreSQL at ${server} cannot be reached (${why}); check that it runs and that the database url is right.`,
    sqlState,
    cause,
  });
}

function statementError(cause: unknown): EverywriteError {
  const sqlState = sqlStateOf(cause);
  const [code, recovery, advice] = decide(sqlState);
  const message = `${reasonOf(cause)}${advice}`;
  return new EverywriteError({ code, recovery, message, sqlState, cause });
}

function decide(sqlState: string | undefined): readonly [ErrorCode, Recovery, string] {
  switch (sqlState) {
    case undefined:
      return ['DATABASE_UNREACHABLE', 'retry', ''];
    case '42501':
      return ['PRIVILEGE_MISSING', 'operator', '; grant it, or run as the owner'];
    case '55P03':
    case '40P01':
      return [
        'LOCK_TIMEOUT',
        'retry',
        '; somebody holds a lock we need, try again when it is quiet',
      ];
    default:
      return ['STATEMENT_FAILED', 'operator', ''];
  }
}

function sqlStateOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  const { code } = cause;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return withoutSecrets(cause instanceof Error ? cause.message : String(cause));
}
