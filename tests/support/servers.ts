import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, describe } from 'vitest';
import { aptInstall } from '#deploy/local/apt-install.ts';
import { startNats } from '#deploy/local/nats-server.ts';
import type { NatsOptions, NatsServer } from '#deploy/local/nats-server.ts';
import { freePort } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { TemporaryDirectory } from '#deploy/local/temporary-directory.ts';

const POSTGRES_15 = '/usr/lib/postgresql/15/bin';

/** 18 is the one from npm, 15 the oldest that we support, from Debian. */
export type PostgresVersion = 18 | 15;

export interface TestPostgresOptions {
  readonly version?: PostgresVersion;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface TestPostgres {
  /** The file's server, started by whoever asks first. */
  server(): Promise<PostgresServer>;
  /** The URL of a new, empty database on it. */
  freshDatabase(): Promise<string>;
}

/** One PostgreSQL for a test file or a `describe`; call it there, not inside a test. */
export function withPostgres(options: TestPostgresOptions = {}): TestPostgres {
  const server = sharedServer('postgres', (directory) => testPostgres(directory, options));
  return { server, freshDatabase: async () => freshDatabase(await server()) };
}

/** Defines the same tests for several versions; one that is not here is skipped, saying why. */
export function describePostgres(
  versions: readonly PostgresVersion[],
  body: (postgres: TestPostgres) => void,
  settings: Readonly<Record<string, string>> = {},
): void {
  for (const version of versions) {
    const obstacle = version === 15 ? postgres15Obstacle() : undefined;
    if (obstacle === undefined) {
      describe(`on PostgreSQL ${version}`, () => body(withPostgres({ version, settings })));
    } else {
      process.stderr.write(`skipping the tests on PostgreSQL 15: ${obstacle}\n`);
      describe.skip(`on PostgreSQL 15 (${obstacle})`, () => {
        body({ server: neverStarted, freshDatabase: neverStarted });
      });
    }
  }
}

/** One nats-server, with an empty store, for a test file or a `describe`. */
export function withNats(options: Partial<NatsOptions> = {}): { server(): Promise<NatsServer> } {
  return { server: sharedServer('nats', (directory) => testNats(directory, options)) };
}

/** A new, empty database on a server; its URL. */
export async function freshDatabase(server: PostgresServer): Promise<string> {
  databaseCount += 1;
  const name = `test_${databaseCount}`;
  const client = new Client(server.url());
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  return server.url(name);
}

let databaseCount = 0;

async function testPostgres(
  directory: string,
  { version, settings }: TestPostgresOptions,
): Promise<PostgresServer> {
  return startPostgres({
    dataDir: join(directory, 'data'),
    port: await freePort(),
    ...(version === 15 ? { binDir: POSTGRES_15 } : {}),
    // A test may kill the server, never the machine: what it wrote is safe without fsync.
    settings: { fsync: 'off', max_connections: '200', ...settings },
  });
}

async function testNats(directory: string, options: Partial<NatsOptions>): Promise<NatsServer> {
  return startNats({
    storeDir: join(directory, 'store'),
    port: await freePort(),
    name: 'test',
    ...options,
  });
}

/** Starts a server once, when it is asked for; kills it and removes its files after the tests. */
function sharedServer<Server extends { kill(): Promise<void> }>(
  name: string,
  start: (directory: string) => Promise<Server>,
): () => Promise<Server> {
  let directory: TemporaryDirectory | undefined;
  let started: Promise<Server> | undefined;
  const startOnce = async (): Promise<Server> => {
    directory = await temporaryDirectory(name);
    return start(directory.path);
  };
  afterAll(async () => {
    // A start that failed has failed the tests already.
    await started?.then((server) => server.kill()).catch(() => {});
    await directory?.remove();
  });
  return () => (started ??= startOnce());
}

function postgres15Obstacle(): string | undefined {
  if (existsSync(join(POSTGRES_15, 'postgres'))) return undefined;
  return aptInstall('postgresql-15');
}

function neverStarted(): never {
  throw new Error('this test is skipped: its PostgreSQL version is not on this machine');
}
