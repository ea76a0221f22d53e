import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { RowExplanation } from '#deploy/cli/explain-page.ts';
import type { ConflictRecord } from '#deploy/records/conflict-record.ts';
import type { QuarantineRecord } from '#deploy/records/quarantine-record.ts';
import { main } from '#deploy/cli/main.ts';
import { startAdmin } from '#replicator/admin.ts';
import type { AdminServer } from '#replicator/admin.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import { runCommand } from '#tests/deploy/cli/run-command.ts';
import type { Outcome } from '#tests/deploy/cli/run-command.ts';
import { eventually, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// What the operator sees of conflicts and refused rows, and what they can do about them.

const regions = withRegions({
  schema: `
    CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(8,2), stock int NOT NULL DEFAULT 0);
    CREATE TABLE "Odd Table" ("Key a" int, "key-b" text, note text, PRIMARY KEY ("Key a", "key-b"));
    CREATE TABLE checked (id int PRIMARY KEY, level int);`,
  columns: { 'public.item.stock': 'counter' },
});
let admin: AdminServer;

beforeAll(async () => {
  const us = regions().region('us');
  const { admin: address } = must(regions().cluster.config.regions.get(us.name), 'us');
  admin = await startAdmin(address, {
    status: () => must(us.status(), 'running'),
    retryQuarantined: (relation, key) => us.retryQuarantined(relation, key),
  });
});
afterAll(() => admin.close());
afterEach(async () => regions().letGo());

function run(...args: readonly string[]): Promise<Outcome> {
  return runCommand([...args, '--config', regions().cluster.configPath]);
}

async function json<T>(...args: readonly string[]): Promise<T> {
  const { out, err, code } = await run(...args, '--json');
  if (code !== 0) throw new Error(`${args.join(' ')}: ${code} ${err}`);
  return JSON.parse(out) as T;
}

async function conflictsOf(...filters: readonly string[]): Promise<readonly ConflictRecord[]> {
  return (await json<{ conflicts: readonly ConflictRecord[] }>('conflicts', ...filters)).conflicts;
}

interface Sides {
  readonly eu: TestRegion;
  readonly us: TestRegion;
}

function sides(): Sides {
  return { eu: regions().region('eu'), us: regions().region('us') };
}

/** Both write before either has what the other wrote; eu first. */
async function atOnce(inEu: string, inUs: string): Promise<void> {
  const { eu, us } = sides();
  eu.from('us').hold();
  us.from('eu').hold();
  await eu.sql.query(inEu);
  await us.sql.query(inUs);
  eu.from('us').release();
  us.from('eu').release();
  await regions().converge();
}

async function value(region: TestRegion, sql: string): Promise<unknown> {
  const { rows } = await region.sql.query<{ value: unknown }>(`SELECT (${sql}) AS value`);
  return rows[0]?.value;
}

test('a lost value is listed, shown with both writers, and put back by one command', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO item VALUES (1, 'first', 1.5, 10)`);
  await regions().settle();
  await atOnce(
    `UPDATE item SET name = 'from eu', stock = stock - 3 WHERE id = 1`,
    `UPDATE item SET name = 'from us', stock = stock - 2 WHERE id = 1`,
  );
  const [conflict, ...more] = await conflictsOf('--table', 'item');
  expect(more).toEqual([]);
  const { id, winner, loser } = must(conflict, 'conflict');
  expect(conflict).toMatchObject({
    table: 'public.item',
    key: ['1'],
    column: 'name',
    kind: 'update-update',
    winner: { region: 'us', value: 'from us' },
    loser: { region: 'eu', value: 'from eu' },
  });
  // The proof of concurrency: each knew less of the other than what it met.
  const sequence = (dot: string): number => Number(dot.slice(dot.indexOf(':') + 1));
  expect(winner.saw).toBeLessThan(sequence(loser.dot));
  expect(loser.saw).toBeLessThan(sequence(winner.dot));
  for (const region of ['eu', 'us']) {
    const other = await conflictsOf('--region', region);
    expect(other).toMatchObject([{ id, winner, loser }]);
  }
  const page = await run('conflicts', 'show', id.slice(0, 6));
  expect(page.out).toContain('lost    "from eu"');
  expect(page.out).toContain('neither writer had seen the other');

  const restored = await run('conflicts', 'restore', id, '--region', 'eu');
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.out).toContain('name: "from us" → "from eu"');
  await regions().converge();
  expect(await value(us, 'SELECT name FROM item WHERE id = 1')).toBe('from eu');
  expect(await value(us, 'SELECT stock FROM item WHERE id = 1')).toBe(5);
  expect((await run('conflicts', 'restore', id)).out).toContain('Nothing to do');
  // Somebody has written since: nothing is overwritten without being asked to.
  await us.sql.query(`UPDATE item SET name = 'third' WHERE id = 1`);
  await regions().settle();
  const refused = await run('conflicts', 'restore', id);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.err).toContain('has been changed since');
  expect((await run('conflicts', 'restore', id, '--force')).code).toBe(0);
  await regions().converge();
});

test('a row that was deleted under an update comes back with that update', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO item VALUES (2, 'kept', 2.50, 10)`);
  await regions().settle();
  await atOnce(
    `UPDATE item SET price = 9.99, stock = stock + 5 WHERE id = 2`,
    'DELETE FROM item WHERE id = 2',
  );
  expect(await value(eu, 'SELECT count(*)::int FROM item WHERE id = 2')).toBe(0);
  const [conflict] = await conflictsOf('--kind', 'update-delete');
  expect((await run('conflicts', 'restore', must(conflict, 'conflict').id)).code).toBe(0);
  await regions().converge();
  expect(await value(us, 'SELECT to_jsonb(i) FROM item i WHERE id = 2')).toEqual({
    id: 2,
    name: 'kept',
    price: 9.99,
    stock: 15,
  });
});

test('watch tells of conflicts as they are recorded', async () => {
  const abort = new AbortController();
  let out = '';
  let told = '';
  const watching = main(
    ['conflicts', 'watch', '--config', regions().cluster.configPath, '--json'],
    {
      out: (text) => void (out += text),
      err: (text) => void (told += text),
      env: process.env,
      signal: abort.signal,
    },
  );
  await eventually('it watches', () => told.includes('Watching'));
  await atOnce(`INSERT INTO item VALUES (3, 'eu')`, `INSERT INTO item VALUES (3, 'us')`);
  await eventually('it is told', () => out.includes('insert-insert'));
  abort.abort();
  expect(await watching).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as ConflictRecord).column)).toEqual(['name']);
});

test('explain names the writer of every column, and what it beat', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO "Odd Table" VALUES (7, 'ü b', 'first')`);
  await eu.sql.query(`INSERT INTO item VALUES (4, 'base', 1, 100)`);
  await regions().settle();
  await atOnce(
    `UPDATE item SET name = 'eu', stock = stock - 1 WHERE id = 4`,
    `UPDATE item SET name = 'us', stock = stock - 2 WHERE id = 4`,
  );
  const row = await json<RowExplanation>('explain', 'item', '4', '--region', 'eu');
  const column = (name: string) =>
    must(
      row.columns.find((each) => each.column === name),
      name,
    );
  expect(column('name')).toMatchObject({
    stored: 'us',
    winner: { region: 'us', wrote: 'us', operation: 'update' },
    beat: [{ region: 'eu', wrote: 'eu' }],
    replaced: { region: 'eu', wrote: 'base', operation: 'insert' },
  });
  expect(column('stock')).toMatchObject({
    stored: '97',
    winner: { region: 'eu', wrote: '100', operation: 'insert' },
    added: [{ region: 'eu' }, { region: 'us' }],
  });
  expect(column('*')).toMatchObject({ stored: 'exists', winner: { operation: 'update' } });
  expect(row.conflicts).toMatchObject([{ column: 'name' }]);
  // The same writers are named in the other region; nothing there depends on where one asks.
  const there = await json<RowExplanation>('explain', 'item', '4', '--region', 'us');
  expect(there.columns).toEqual(row.columns);
  const odd = await run('explain', 'Odd Table', '7', 'ü b', '--column', 'note');
  expect(odd.out).toContain('note = "first"');
  expect(odd.out).toContain('insert "first" by eu.1:');
  await us.sql.query(`DELETE FROM item WHERE id = 4`);
  await regions().settle();
  const gone = await json<RowExplanation>('explain', 'item', '4');
  expect(gone.columns[0]).toMatchObject({ stored: null, winner: { operation: 'delete' } });
});

test('a refused row is shown, tried again by command, or given up with a reason', async () => {
  const { eu, us } = sides();
  await us.sql.query('ALTER TABLE checked ADD CONSTRAINT low CHECK (level < 10) NOT VALID');
  await eu.sql.query('INSERT INTO checked VALUES (1, 50), (2, 60)');
  await eu.sql.query('INSERT INTO checked VALUES (3, 5)');
  await regions().settle();
  await eu.sql.query('UPDATE checked SET level = 70 WHERE id = 3');
  await eventually('all three are refused', () => us.status()?.quarantined === 3);
  const { quarantine } = await json<{ quarantine: readonly QuarantineRecord[] }>('quarantine');
  expect(quarantine).toMatchObject([
    {
      region: 'us',
      table: 'public.checked',
      key: ['1'],
      sqlState: '23514',
      wanted: { level: '50' },
    },
    { region: 'us', table: 'public.checked', key: ['2'] },
    { region: 'us', table: 'public.checked', key: ['3'] },
  ]);
  expect((await run('quarantine', 'show', 'checked', '3')).out).toMatch(/level +"70" +"5"/);
  expect(await run('quarantine', 'retry', 'checked', '1')).toMatchObject({ code: 1 });

  const why = 'levels above 10 are not sold here';
  const given = await run(
    'quarantine',
    'discard',
    'checked',
    '1',
    '--region',
    'us',
    '--reason',
    why,
  );
  expect(given).toMatchObject({ code: 0 });
  await run('quarantine', 'discard', 'checked', '3', '--region', 'us', '--reason', why);
  await regions().settle();
  const rows = 'SELECT jsonb_object_agg(id, level) FROM checked';
  expect(await value(eu, rows)).toEqual({ '2': 60, '3': 5 });
  expect(await value(us, rows)).toEqual({ '3': 5 });
  const discarded = await json<{ discarded: readonly unknown[] }>('quarantine', '--discarded');
  expect(discarded.discarded).toMatchObject([
    { key: ['3'], wanted: { level: '70' }, kept: { level: '5' }, reason: why },
    { key: ['1'], wanted: { level: '50' }, kept: null, reason: why },
  ]);
  await us.sql.query('ALTER TABLE checked DROP CONSTRAINT low');
  const retried = await run('quarantine', 'retry');
  expect(retried).toMatchObject({ code: 0 });
  expect(retried.out).toContain('1 released');
  expect(await value(us, rows)).toEqual({ '2': 60, '3': 5 });
  await regions().converge();
});

test('what was mistyped is answered with the nearest name', async () => {
  const mistakes: readonly (readonly [string, ...string[]])[] = [
    ['Did you mean "item"', 'conflicts', '--table', 'itme'],
    ['Did you mean "update-delete"', 'conflicts', '--kind', 'update-delet'],
    ['Did you mean "restore"', 'conflicts', 'restroe', 'x'],
    ['--since yesterday is no time', 'conflicts', '--since', 'yesterday'],
    ['Did you mean "eu"', 'conflicts', '--writer', 'ue'],
    ['There is no conflict ffff', 'conflicts', 'show', 'ffff'],
    ['Did you mean "price"', 'explain', 'item', '1', '--column', 'prise'],
    ['give 2 value(s), not 1', 'explain', 'Odd Table', '7'],
    ['is no key of public.item', 'explain', 'item', 'seven'],
    ['discard needs --reason', 'quarantine', 'discard', 'item', '1', '--region', 'us'],
    [
      'us does not refuse item 1',
      'quarantine',
      'discard',
      'item',
      '1',
      '--region',
      'us',
      '--reason',
      'x',
    ],
  ];
  for (const [answer, ...args] of mistakes) {
    const { code, err } = await run(...args);
    expect(err).toContain(answer);
    expect(code, args.join(' ')).toBe(2);
  }
});

test('records older than the retention are forgotten', async () => {
  const { eu } = sides();
  const session = await PgDatabase.connect({
    url: eu.url,
    cluster: 'test',
    connectTimeoutMs: 5000,
  });
  try {
    const control = await session.open('control');
    const before = await conflictsOf();
    expect(before.length).toBeGreaterThan(3);
    const middle = must(before[1], 'record');
    const stamp = Math.max(middle.winner.hlc, middle.loser.hlc);
    const forget = { kind: 'forgetConflicts', keepRows: 1000, limit: 1000 } as const;
    await control.flight([{ ...forget, beforeHlc: stamp }]);
    expect((await conflictsOf()).map(({ id }) => id)).toEqual(
      before.slice(0, 2).map(({ id }) => id),
    );
    await control.flight([{ ...forget, beforeHlc: 0, keepRows: 1 }]);
    expect((await conflictsOf()).map(({ id }) => id)).toEqual([before[0]?.id]);
    await control.close();
  } finally {
    await session.close();
  }
});
