import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '#deploy/local/ports.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import { childrenOf, isAlive } from '#deploy/local/process-table.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { TemporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { describePostgres } from '#tests/support/servers.ts';

const settings = { fsync: 'off' };
let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = await temporaryDirectory('test');
});
afterEach(() => directory.remove());

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Commits a row and kills the server; returns the ids of the processes it had. */
async function killAfterCommit(server: PostgresServer): Promise<number[]> {
  await query(server.url(), 'DROP TABLE IF EXISTS kept');
  await query(server.url(), 'CREATE TABLE kept AS SELECT 1 AS n');
  const family = [server.pid, ...childrenOf(server.pid)];
  await server.kill();
  return family;
}

describePostgres([18, 15], (postgres) => {
  test('it decodes logically, keeps UTF-8, and gives every test its own database', async () => {
    const one = await postgres.freshDatabase();
    const other = await postgres.freshDatabase();
    await query(one, 'CREATE TABLE here (n int)');
    const sql = `SELECT current_setting('wal_level') AS wal, upper('ä') AS upper,
                        to_regclass('here') IS NULL AS absent`;
    expect(await query(other, sql)).toEqual([{ wal: 'logical', upper: 'Ä', absent: true }]);
  });

  test('a kill takes every process with it, and what was committed is there again', async () => {
    const server = await postgres.server();
    const family = await killAfterCommit(server);
    expect(family.length).toBeGreaterThan(4);
    expect(family.filter(isAlive)).toEqual([]);
    expect(server.running).toBe(false);
    await server.start();
    expect(await query(server.url(), 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  test('a lock file whose process id belongs to another program does not hinder it', async () => {
    const server = await postgres.server();
    await killAfterCommit(server);
    const lock = join(server.dataDir, 'postmaster.pid');
    // Our parent is alive, and is no postmaster.
    writeFileSync(lock, readFileSync(lock, 'utf8').replace(/^\d+/, String(process.ppid)));
    await server.start();
    expect(await query(server.url(), 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  test('it stops fast with clients connected, and at once when told so', async () => {
    const server = await postgres.server();
    const client = new Client(server.url());
    client.on('error', () => {});
    await client.connect();
    await server.stop();
    expect(existsSync(join(server.dataDir, 'postmaster.pid'))).toBe(false);
    await server.start();
    await server.stop('immediate');
    await server.start();
    expect(server.running).toBe(true);
  });

  test('a copy of a data directory runs as a server of its own', async () => {
    const server = await postgres.server();
    await server.stop();
    const dataDir = join(directory.path, 'restored');
    cpSync(server.dataDir, dataDir, { recursive: true });
    await server.start();
    const is15 = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').startsWith('15');
    const binDir = is15 ? { binDir: '/usr/lib/postgresql/15/bin' } : {};
    const copy = await startPostgres({ dataDir, port: await freePort(), settings, ...binDir });
    expect(await query(copy.url(), 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await copy.stop();
  });

  test('ALTER SYSTEM has the last word over our settings', async () => {
    const server = await postgres.server();
    await query(server.url(), 'ALTER SYSTEM SET max_wal_senders = 3');
    await server.stop();
    await server.start();
    expect(await query(server.url(), 'SHOW max_wal_senders')).toEqual([{ max_wal_senders: '3' }]);
  });
});

test('a port in use is reported with the words of the server', async () => {
  const port = await freePort();
  const first = await startPostgres({ dataDir: join(directory.path, 'a'), port, settings });
  const second = startPostgres({ dataDir: join(directory.path, 'b'), port, settings });
  await expect(second).rejects.toThrow(/Address already in use/);
  await first.kill();
});

test('two servers never share a data directory', async () => {
  const dataDir = join(directory.path, 'a');
  const first = await startPostgres({ dataDir, port: await freePort(), settings });
  const second = startPostgres({ dataDir, port: await freePort(), settings });
  await expect(second).rejects.toThrow(/is running on .*stop it first/);
  await first.kill();
});

test('a directory with other files in it is left alone', async () => {
  writeFileSync(join(directory.path, 'letter.txt'), 'dear');
  const start = startPostgres({ dataDir: directory.path, port: await freePort() });
  await expect(start).rejects.toThrow(/name another directory/);
});
