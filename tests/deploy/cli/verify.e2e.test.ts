import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { freePort } from '#deploy/local/ports.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { VerifyReport } from '#deploy/verify/verify-report.ts';
import { runCommand } from '#tests/deploy/cli/run-command.ts';
import { withPostgres } from '#tests/support/servers.ts';

// Databases that were never prepared: verify compares them without waiting, so a difference made by
// hand stays one. How it waits on a living cluster is in demo.e2e.test.ts.
const postgres = withPostgres();
const REGIONS = ['eu', 'us', 'ap'] as const;
const urls = new Map<string, string>();
const SCHEMA = `
  CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2), at timestamptz, tags text[]);
  CREATE TABLE line (item int, n int, note text, PRIMARY KEY (item, n));
  CREATE TABLE nothing (id uuid PRIMARY KEY);
  INSERT INTO item SELECT g, 'item ' || g, g * 1.5, timestamptz '2026-01-01 UTC' + g * interval '1h',
    ARRAY['a', 'b' || g] FROM generate_series(1, 20000) g;
  INSERT INTO line SELECT g / 3, g % 3, 'note' FROM generate_series(0, 299) g;`;
let configPath = '';

beforeAll(async () => {
  const regions: Record<string, object> = {};
  for (const region of REGIONS) {
    const url = await postgres.freshDatabase();
    urls.set(region, url);
    await inRegion(region, SCHEMA);
    const nats = `nats://127.0.0.1:${await freePort()}`;
    regions[region] = { database: url, nats, admin: `127.0.0.1:${await freePort()}` };
  }
  // The same rows in another session's clothes: other defaults, other column order.
  await inRegion('us', `ALTER DATABASE ${databaseOf('us')} SET DateStyle = 'German'`);
  await inRegion('us', `ALTER DATABASE ${databaseOf('us')} SET TimeZone = 'Asia/Tokyo'`);
  await inRegion('ap', 'ALTER TABLE line DROP note; ALTER TABLE line ADD note text');
  await inRegion('ap', "UPDATE line SET note = 'note'");
  const directory = await temporaryDirectory('verify');
  configPath = join(directory.path, 'everywrite.json');
  await writeFile(configPath, JSON.stringify({ cluster: 'verify', regions }));
});

function databaseOf(region: string): string {
  return new URL(must(urls.get(region), 'database of the region')).pathname.slice(1);
}

async function inRegion(region: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: urls.get(region) });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function verify(...more: readonly string[]): Promise<{ code: number; report: VerifyReport }> {
  const { code, out, err } = await runCommand([
    'verify',
    '--config',
    configPath,
    '--json',
    ...more,
  ]);
  expect(err).toBe('');
  return { code, report: JSON.parse(out) as VerifyReport };
}

test('equal regions are equal whatever their session defaults and column order', async () => {
  const { code, report } = await verify();
  expect(
    report.tables.map(({ table, verdict, rows }) => ({ table, verdict, eu: rows['eu'] })),
  ).toEqual([
    { table: 'public.item', verdict: 'equal', eu: 20_000 },
    { table: 'public.line', verdict: 'equal', eu: 300 },
    { table: 'public.nothing', verdict: 'equal', eu: 0 },
  ]);
  expect(report).toMatchObject({ verdict: 'equal', attempts: 1, stillWritten: false });
  expect(report.settled).toEqual({ kind: 'unprepared', regions: [...REGIONS] });
  expect(code).toBe(0);
  const { out } = await runCommand(['verify', '--config', configPath]);
  expect(out).toMatch(/public\.item +20,000 +20,000 +20,000 +equal/);
  expect(out).toContain('Equal: 3 tables');
});

test('a differing row is found among many, with the values of every region', async () => {
  await inRegion('us', "UPDATE item SET name = 'other', tags = '{}' WHERE id = 12345");
  const { code, report } = await verify('--tables', 'public.item');
  expect(code).toBe(1);
  expect(report.tables).toHaveLength(1);
  expect(report.tables[0]?.differing).toEqual({
    count: 1,
    complete: true,
    examples: [
      {
        key: { id: '12345' },
        missingIn: [],
        columns: {
          name: { eu: 'item 12345', us: 'other', ap: 'item 12345' },
          tags: { eu: '{a,b12345}', us: '{}', ap: '{a,b12345}' },
        },
      },
    ],
  });
  expect(report.attempts).toBe(2);
  // Only regions that are asked for are compared.
  expect((await verify('--regions', 'eu,ap')).code).toBe(0);
  await inRegion('us', "UPDATE item SET name = 'item 12345', tags = '{a,b12345}' WHERE id = 12345");
  expect((await verify()).code).toBe(0);
});

test('a missing row is told by its whole key, and in which regions it is missing', async () => {
  await inRegion('eu', 'DELETE FROM line WHERE item = 7 AND n = 1');
  await inRegion('ap', 'DELETE FROM line WHERE item = 7 AND n IN (0, 1)');
  const { code, report } = await verify();
  expect(code).toBe(1);
  const line = report.tables.find(({ table }) => table === 'public.line');
  const examples = line?.differing.examples.toSorted((left, right) =>
    (left.key['n'] ?? '') < (right.key['n'] ?? '') ? -1 : 1,
  );
  expect(examples).toEqual([
    { key: { item: '7', n: '0' }, missingIn: ['ap'], columns: {} },
    { key: { item: '7', n: '1' }, missingIn: ['eu', 'ap'], columns: {} },
  ]);
  const { out } = await runCommand(['verify', '--config', configPath]);
  expect(out).toContain('item = 7, n = 1: missing in eu, ap');
  await inRegion('eu', "INSERT INTO line VALUES (7, 1, 'note')");
  await inRegion('ap', "INSERT INTO line (item, n, note) VALUES (7, 0, 'note'), (7, 1, 'note')");
});

test('when all rows differ, memory and output stay bounded and the count says so', async () => {
  await inRegion('us', 'CREATE TABLE big (id int PRIMARY KEY, v int)');
  await inRegion('us', 'INSERT INTO big SELECT g, 1 FROM generate_series(1, 50000) g');
  await inRegion('eu', 'CREATE TABLE big (id int PRIMARY KEY, v int)');
  await inRegion('eu', 'INSERT INTO big SELECT g, 2 FROM generate_series(1, 50000) g');
  const { code, report } = await verify('--regions', 'eu,us', '--tables', '*.big', '--rows', '3');
  expect(code).toBe(1);
  const differing = report.tables[0]?.differing;
  expect(differing?.complete).toBe(false);
  expect(differing?.count).toBeGreaterThan(15_000);
  expect(differing?.count).toBeLessThanOrEqual(20_000);
  expect(differing?.examples).toHaveLength(3);
  await inRegion('us', 'DROP TABLE big');
  await inRegion('eu', 'DROP TABLE big');
});

test('a table, a key or a column that one region lacks is a difference', async () => {
  await inRegion('us', 'CREATE TABLE extra (id int PRIMARY KEY); INSERT INTO extra VALUES (1)');
  await inRegion('ap', 'CREATE TABLE extra (id int)');
  await inRegion('ap', 'ALTER TABLE item ADD weight int');
  const { code, report } = await verify();
  expect(code).toBe(1);
  const of = (name: string) => report.tables.find(({ table }) => table === `public.${name}`);
  expect(of('extra')).toMatchObject({
    verdict: 'different',
    rows: { us: 1 },
    absent: { eu: 'does not exist', ap: expect.stringContaining('has no primary key') as string },
  });
  expect(of('item')).toMatchObject({
    verdict: 'different',
    columns: { weight: { eu: null, us: null, ap: 'integer' } },
    differing: { count: 0 },
  });
  const { out } = await runCommand(['verify', '--config', configPath]);
  expect(out).toContain('eu: the table does not exist');
  expect(out).toContain('column weight: eu no such column, us no such column, ap "integer"');
  await inRegion('us', 'DROP TABLE extra');
  await inRegion('ap', 'DROP TABLE extra; ALTER TABLE item DROP weight');
  expect((await verify()).code).toBe(0);
});

test('wrong usage is 2, an unreachable database 3', async () => {
  expect((await runCommand(['verify', '--config', configPath, '--tables', 'item'])).code).toBe(2);
  expect((await runCommand(['verify', '--config', configPath, '--rows', 'many'])).code).toBe(2);
  const gone = join(configPath, '../gone.json');
  const region = {
    database: `postgres://127.0.0.1:${await freePort()}/x`,
    nats: 'nats://127.0.0.1:1',
  };
  await writeFile(gone, JSON.stringify({ cluster: 'gone', regions: { eu: region } }));
  const { code, err } = await runCommand(['verify', '--config', gone]);
  expect(code).toBe(3);
  expect(err).toContain('DATABASE_UNREACHABLE');
});
