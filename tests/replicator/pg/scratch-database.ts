import { existsSync } from 'node:fs';
import pg from 'pg';
import { freePort } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { parseConfig, regionConfig } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';

/** Debian's PostgreSQL 15, the newest version without an origin filter; absent on other systems. */
export const POSTGRES_15 = '/usr/lib/postgresql/15/bin';
export const hasPostgres15 = existsSync(`${POSTGRES_15}/initdb`);

export interface ScratchServer extends AsyncDisposable {
  readonly server: PostgresServer;
}

export async function scratchServer(
  options: { readonly binDir?: string; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<ScratchServer> {
  const directory = await temporaryDirectory('prepare');
  const dataDir = `${directory.path}/data`;
  const server = await startPostgres({ dataDir, port: await freePort(), ...options });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.stop('immediate');
      await directory.remove();
    },
  };
}

/** A fresh database with a cluster name of its own: slots belong to the whole server. */
export interface ScratchDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  rows(sql: string, parameters?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

export async function scratchDatabase(
  { server }: ScratchServer,
  name: string,
  setUp = '',
): Promise<ScratchDatabase> {
  await once(server.url(), `CREATE DATABASE "${name}"`);
  const url = server.url(name);
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  if (setUp !== '') await client.query(setUp);
  return {
    name,
    url,
    async rows(sql, parameters = []) {
      return (await client.query<Record<string, unknown>>(sql, [...parameters])).rows;
    },
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}

export interface ScratchConfig {
  readonly config: ClusterConfig;
  readonly region: RegionConfig;
}

/** Region `eu` (or another) of a three-region cluster named after the database. */
export function configOf(
  database: { readonly name: string; readonly url: string },
  more: Readonly<Record<string, unknown>> = {},
  region = 'eu',
): ScratchConfig {
  const nats = 'nats://127.0.0.1:1';
  const regions = { eu: '', us: '', ap: '' };
  const file = {
    cluster: database.name,
    regions: Object.fromEntries(
      Object.keys(regions).map((name) => [name, { database: database.url, nats }]),
    ),
    ...more,
  };
  const config = parseConfig(JSON.stringify(file), {});
  return { config, region: regionConfig(config, region) };
}

async function once(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
