import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import pg from 'pg';
import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import type { PrepareReport } from '#replicator/pg/prepare-report.ts';
import { readUserTables } from '#replicator/pg/user-tables.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';
import { DATABASE } from './cluster.ts';
import type { LocalCluster, LocalRegion } from './cluster.ts';
import { equaliseTables } from './equal-tables.ts';
import type { RegionSession } from './equal-tables.ts';
import { loadScript } from './load-script.ts';
import type { SqlScript } from './load-script.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const DRAFT = `${DATABASE}_draft`;
/** The database's comment until its rows are the same in all regions. */
const LOADING = 'everywrite is loading this database';

export interface PrepareClusterOptions {
  /** Loaded into every region before it is prepared; left out when the cluster is prepared already. */
  readonly schema?: SqlScript;
  readonly signal?: AbortSignal;
}

export interface PreparedCluster {
  /** `resumed`: the databases were there, and no schema was loaded. */
  readonly kind: 'created' | 'resumed';
  /** What every region's init did, in the order of the configuration. */
  readonly reports: readonly PrepareReport[];
  /** Tables that the schema filled differently in each region; all have the first region's rows now. */
  readonly copied: readonly string[];
  /** Sentences about what of the schema was left out. */
  readonly notes: readonly string[];
}

/** Reads a SQL file; USAGE when it cannot be read. */
export async function readScript(path: string): Promise<SqlScript> {
  try {
    return { source: basename(path), text: await readFile(path, 'utf8') };
  } catch (cause) {
    const message = `The schema file ${path} cannot be read (${String(cause)}).`;
    throw new EverywriteError({ code: 'USAGE', recovery: 'operator', message, cause });
  }
}

/**
 * Creates every region's database, loads the schema, makes the rows the same everywhere, and prepares
 * all regions for replication. What an earlier call left unfinished is done again from the start.
 */
export async function prepareCluster(
  cluster: LocalCluster,
  options: PrepareClusterOptions = {},
): Promise<PreparedCluster> {
  const regions = [...cluster.regions.values()];
  const loaded = await loadDatabases(regions, options);
  options.signal?.throwIfAborted();
  const reports = await Promise.all(
    [...cluster.config.regions.values()].map((region) =>
      prepareRegion(cluster.config, region, options.signal),
    ),
  );
  return { ...loaded, reports };
}

async function loadDatabases(
  regions: readonly LocalRegion[],
  options: PrepareClusterOptions,
): Promise<Omit<PreparedCluster, 'reports'>> {
  const states = await Promise.all(regions.map(databaseState));
  const missing = regions.filter((_, at) => states[at] === 'missing');
  if (missing.length < regions.length && !states.includes('ready')) {
    // Loading was interrupted somewhere: nothing in these databases was ever replicated.
    await Promise.all(regions.map(dropDatabase));
  } else if (missing.length > 0 && states.includes('ready')) {
    const names = missing.map((region) => region.name).join(', ');
    throw new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: `Database ${DATABASE} is missing in ${names} but there in other regions; begin with an empty data directory, or with the regions it had.`,
    });
  }
  if (!states.includes('ready')) return createDatabases(regions, options);
  // Everything was the same everywhere when the first of these comments went.
  await Promise.all(regions.map(markReady));
  return { kind: 'resumed', copied: [], notes: [] };
}

async function createDatabases(
  regions: readonly LocalRegion[],
  options: PrepareClusterOptions,
): Promise<Omit<PreparedCluster, 'reports'>> {
  await Promise.all(regions.map(createDatabase));
  const { schema, signal } = options;
  let notes: readonly string[] = [];
  let copied: readonly string[] = [];
  if (schema !== undefined) {
    const loads = await Promise.allSettled(
      regions.map((region) =>
        withSession(region, DATABASE, ({ client }) => loadScript(client, schema), signal),
      ),
    );
    // The same error in all of them: one is enough.
    for (const load of loads) {
      if (load.status === 'rejected') throw load.reason;
      notes = load.value;
    }
    signal?.throwIfAborted();
    copied = await equalise(regions, signal);
  }
  await Promise.all(regions.map(markReady));
  return { kind: 'created', copied, notes };
}

async function equalise(
  regions: readonly LocalRegion[],
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const [first, ...rest] = regions;
  const tables = await userTables(must(first, 'a first region'));
  const withAll = (
    next: readonly LocalRegion[],
    open: readonly RegionSession[],
  ): Promise<readonly string[]> => {
    const [region, ...later] = next;
    if (region !== undefined) {
      return withSession(region, DATABASE, (one) => withAll(later, [...open, one]), signal);
    }
    const [source, ...others] = open;
    return equaliseTables(tables, must(source, 'a first session'), others);
  };
  return withAll([must(first, 'a first region'), ...rest], []);
}

async function userTables(region: LocalRegion): Promise<readonly UserTable[]> {
  const client = await openAdminClient({
    url: region.postgres.url(DATABASE),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  });
  try {
    const tables = await readUserTables(client);
    return tables.filter((table) => table.extension === null);
  } finally {
    await client.close();
  }
}

type DatabaseState = 'missing' | 'loading' | 'ready';

function databaseState(region: LocalRegion): Promise<DatabaseState> {
  return withSession(region, 'postgres', async ({ client }) => {
    const { rows } = await client.query<{ readonly comment: string | null }>(
      `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database
       WHERE datname = '${DATABASE}'`,
    );
    const [row] = rows;
    if (row === undefined) return 'missing';
    return row.comment === LOADING ? 'loading' : 'ready';
  });
}

function createDatabase(region: LocalRegion): Promise<void> {
  return withSession(region, 'postgres', async ({ client }) => {
    // Under another name until it has its comment: a database without one counts as loaded.
    await client.query(`DROP DATABASE IF EXISTS ${DRAFT}`);
    await client.query(`CREATE DATABASE ${DRAFT}`);
    await client.query(`COMMENT ON DATABASE ${DRAFT} IS '${LOADING}'`);
    await client.query(`ALTER DATABASE ${DRAFT} RENAME TO ${DATABASE}`);
  });
}

function dropDatabase(region: LocalRegion): Promise<void> {
  return withSession(region, 'postgres', async ({ client }) => {
    await client.query(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`);
  });
}

function markReady(region: LocalRegion): Promise<void> {
  return withSession(region, 'postgres', async ({ client }) => {
    await client.query(`COMMENT ON DATABASE ${DATABASE} IS NULL`);
  });
}

async function withSession<Result>(
  region: LocalRegion,
  database: string,
  use: (session: RegionSession) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  signal?.throwIfAborted();
  const client = new pg.Client({
    connectionString: region.postgres.url(database),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'everywrite up',
  });
  client.on('error', () => {});
  const abort = (): void => void client.end().catch(() => {});
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    return await use({ region: region.name, client });
  } finally {
    signal?.removeEventListener('abort', abort);
    await client.end().catch(() => {});
  }
}
