import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { TemporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { allGone, ask, comesTrue, ended, everywrite, processesOf, up } from './up-process.ts';
import type { UpProcess } from './up-process.ts';

const SCHEMA = `-- as psql and pg_dump write it
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop;
\\connect shop
CREATE TABLE item (
  id int PRIMARY KEY, name text, stock int,
  token uuid DEFAULT gen_random_uuid(), made timestamptz DEFAULT clock_timestamp()
);
INSERT INTO item (id, name, stock) VALUES (1, 'a;b', 10);
COPY item (id, name, stock) FROM stdin;
2\ttab\\there\t0
3\t\\N\t7
\\.
CREATE TABLE keyless (n int);
`;
const ROWS = "SELECT string_agg(item::text, E'\\n' ORDER BY id) FROM item";
/** Long enough for a change to arrive, had it a way. */
const CUT_MS = 1_500;

let directory: TemporaryDirectory;
let schema = '';

beforeAll(async () => {
  directory = await temporaryDirectory('test-up');
  schema = join(directory.path, 'shop.sql');
  await writeFile(schema, SCHEMA);
});
afterAll(async () => directory.remove());

function databaseOf({ report }: UpProcess, region: string): string {
  return must(report.regions[region], region).database;
}

function nameIn(running: UpProcess, region: string, id: number): Promise<unknown> {
  return ask(databaseOf(running, region), `SELECT name FROM item WHERE id = ${id}`);
}

const home = (): string => directory.path;

test('a whole cluster: the same rows everywhere, writes travel, links break and heal', async () => {
  const columns = ['--columns', 'public.item.stock=counter'];
  const running = await up(home(), ['--regions', 'eu,us', '--schema', schema, ...columns]);
  const { report } = running;
  expect(report).toMatchObject({ tables: ['public.item'], copied: ['public.item'] });
  expect(report.leftOut.map(({ table }) => table)).toEqual(['public.keyless']);
  expect(report.notes.join()).toContain('shop.sql:4: left out \\connect shop');
  const eu = databaseOf(running, 'eu');
  const us = databaseOf(running, 'us');
  expect(await ask(us, ROWS)).toBe(await ask(eu, ROWS));

  await ask(eu, "INSERT INTO item (id, name, stock) VALUES (10, 'from eu', 1)");
  expect(await comesTrue(async () => (await nameIn(running, 'us', 10)) === 'from eu')).toBe(true);

  const { gateway } = must(report.regions['us'], 'us');
  const url = `${gateway}?query=${encodeURIComponent('{ item(id: 10) { name stock } }')}`;
  expect(await (await fetch(url)).json()).toMatchObject({
    data: { item: { name: 'from eu', stock: 1 } },
  });

  expect((await everywrite(home(), ['link', 'cut', 'eu', 'us'])).code).toBe(0);
  await ask(eu, "UPDATE item SET name = 'cut', stock = stock + 1 WHERE id = 10");
  await ask(us, 'UPDATE item SET stock = stock + 5 WHERE id = 10');
  await sleep(CUT_MS);
  expect(await nameIn(running, 'us', 10)).toBe('from eu');
  expect((await everywrite(home(), ['link', 'show'])).out).toMatch(/eu → us +cut/);
  expect((await everywrite(home(), ['link', 'heal', '--data', report.dataDir])).code).toBe(0);
  expect(await comesTrue(async () => (await nameIn(running, 'us', 10)) === 'cut')).toBe(true);
  const stock = 'SELECT stock FROM item WHERE id = 10';
  const merged = async (url: string): Promise<boolean> => (await ask(url, stock)) === 7;
  expect(await comesTrue(async () => (await merged(eu)) && (await merged(us)))).toBe(true);

  const wrong = await everywrite(home(), ['link', 'delay', 'euu', 'us', '80ms']);
  expect(wrong).toMatchObject({ code: 2, out: '' });
  expect(wrong.err).toContain('Did you mean "eu"?');

  running.child.kill('SIGINT');
  expect(await ended(running.child)).toBe(0);
  expect(await allGone(processesOf(running))).toBe(true);
  expect(existsSync(report.dataDir)).toBe(false);
  expect(running.out().trimEnd().split('\n')).toHaveLength(1);
  expect((await everywrite(home(), ['link', 'show'])).code).toBe(3);
});

test('killed, it leaves nothing running; up on the same directory goes on, on other ports if need be', async () => {
  const data = join(directory.path, 'cluster');
  const start = ['--regions', 'eu,us', '--latency', '3', '--data', data];
  const running = await up(home(), [...start, '--schema', schema]);
  await ask(databaseOf(running, 'eu'), "INSERT INTO item (id, name) VALUES (20, 'before')");
  const second = await everywrite(home(), ['up', '--data', data]);
  expect(second.code).toBe(2);
  expect(second.err).toContain(`already (process ${running.report.pid})`);
  // `up` itself, below its launcher.
  process.kill(running.report.pid, 'SIGKILL');
  expect(await allGone(processesOf(running))).toBe(true);

  const { admin, database } = must(running.report.regions['eu'], 'eu');
  const port = Number(new URL(admin).port);
  const squatter = createServer().listen(port, '127.0.0.1');
  try {
    const again = await up(home(), ['--data', data]);
    expect(again.report.resumed).toBe(true);
    expect(again.err()).toContain(`port ${port} (admin page of eu) is taken`);
    expect(databaseOf(again, 'eu')).toBe(database);
    expect(await comesTrue(async () => (await nameIn(again, 'us', 20)) === 'before')).toBe(true);
    expect((await everywrite(home(), ['link'])).out).toMatch(/eu → us +open +3 ms/);

    const { replicator } = must(again.report.regions['us'], 'us').pids;
    process.kill(replicator, 'SIGKILL');
    await ask(databaseOf(again, 'eu'), "UPDATE item SET name = 'after' WHERE id = 20");
    expect(await comesTrue(async () => (await nameIn(again, 'us', 20)) === 'after')).toBe(true);
    expect(again.err()).toContain('The replicator of us has ended');
    // The launcher this time: what it launched notices.
    again.child.kill('SIGKILL');
    expect(await allGone(processesOf(again))).toBe(true);
  } finally {
    squatter.close();
  }
});

test('a statement that fails is told with its line, and nothing is left', async () => {
  const bad = join(directory.path, 'bad.sql');
  await writeFile(
    bad,
    'CREATE TABLE a (id int PRIMARY KEY);\n\nINSERT INTO a\nVALUES (1),\n  (nothing);\n',
  );
  const failed = await everywrite(home(), ['up', '--regions', 'eu', '--schema', bad]);
  expect(failed.code).toBe(1);
  expect(failed.err).toContain('bad.sql:5: column "nothing" does not exist (42703)');
  expect(failed.err).not.toContain('    at ');
});

test.each([
  [['--scheme', 'x.sql'], 'Did you mean "--schema"?'],
  [['--schema', '/no/such/file.sql'], 'cannot be read'],
  [['--regions', 'eu,eu'], 'listed twice'],
  [['--regions', 'EU'], 'is not a region name'],
  [['--latency', 'eu-uk=80'], 'is no pair of regions'],
  [['--columns', 'public.item.stock'], 'is no NAME=VALUE'],
  [['--columns', 'public.item.stock=countr'], 'counter'],
  [['--data', '/'], 'no cluster of everywrite'],
])('a mistake is answered before anything is started: %j', async (args, sentence) => {
  const { code, out, err } = await everywrite(home(), ['up', ...args]);
  expect(err).toContain(sentence);
  expect([code, out]).toEqual([2, '']);
});
