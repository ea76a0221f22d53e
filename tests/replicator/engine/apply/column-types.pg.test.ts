import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Every column type on real servers: plain SQL in two regions that have not seen each other.

const regions = withRegions({
  schema: `CREATE TYPE step AS ENUM ('done', 'new', 'paid', 'sent');
    CREATE TABLE items (
      id int PRIMARY KEY, n int, high numeric, low timestamptz, up boolean, down boolean,
      state step, tags text[], numbers int[], attrs jsonb, body text, steps jsonb, doc jsonb);
    CREATE TABLE keepers (id int PRIMARY KEY, note text, tags text[]);
    COMMENT ON TABLE keepers IS '@everywrite add-wins';
    CREATE TABLE goners (id int PRIMARY KEY, note text, tags text[]);
    COMMENT ON TABLE goners IS '@crdt delete-wins';
    COMMENT ON COLUMN items.state IS 'Where it is. @crdt rank(new < paid < sent < done), as agreed.';
    COMMENT ON COLUMN items.body IS '@everywrite text';`,
  columns: {
    'public.items.n': 'counter',
    'public.items.high': 'max',
    'public.items.low': 'min',
    'public.items.up': 'flag',
    'public.items.down': 'flag(disable-wins)',
    'public.items.tags': 'set',
    'public.items.numbers': 'set',
    'public.items.attrs': 'map',
    'public.items.steps': 'list',
    'public.items.doc': 'json',
  },
  replication: { fenceTimeoutMs: 20_000 },
});
afterEach(async () => regions().letGo());

let lastId = 0;

interface Race {
  /** `$id` stands for the row's key, here and below. */
  readonly seed?: string;
  readonly inEu: string;
  readonly inUs: string;
}

/** Two writes that had not seen each other; the row that both regions come to. */
async function race(
  { seed, inEu, inUs }: Race,
  columns: string,
  table = 'items',
): Promise<unknown> {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const id = ++lastId;
  const run = (region: TestRegion, text: string) =>
    region.sql.query(text.replaceAll('$id', String(id)));
  if (seed !== undefined) await run(eu, seed);
  await regions().settle();
  eu.from('us').hold();
  us.from('eu').hold();
  await run(eu, inEu);
  await pause(2);
  await run(us, inUs);
  await eventually('both have published', () =>
    [eu, us].every((region) => region.status()?.unpublishedBytes === 0),
  );
  eu.from('us').release();
  us.from('eu').release();
  await regions().converge();
  const { rows } = await us.sql.query(`SELECT ${columns} FROM ${table} WHERE id = $1`, [id]);
  return rows[0];
}

const SEED = `INSERT INTO items VALUES ($id, 0, 5, '2026-01-01', false, true, 'new', '{a,b}', '{3,10}',
  '{"color": "red", "size": {"w": 1, "h": 2}}', 'Hello world.', '["a", "b"]', '{"t": ["x"], "n": 1}')`;

test('max, min and rank: the furthest stands, whoever wrote it when', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET high = 9.5, low = '2025-06-01', state = 'sent' WHERE id = $id`,
      inUs: `UPDATE items SET high = 7, low = '2025-12-31', state = 'paid' WHERE id = $id`,
    },
    `high::text, low::date::text, state::text`,
  );
  expect(found).toEqual({ high: '9.5', low: '2025-06-01', state: 'sent' });
});

test('a maximum that is lowered is put back where it was written, too; NULL begins afresh', async () => {
  const { sql } = regions().region('eu');
  const id = ++lastId;
  await sql.query(`INSERT INTO items (id, high, tags) VALUES (${id}, 5, '{b,a,b}')`);
  await sql.query(`UPDATE items SET high = 3 WHERE id = ${id}`);
  await regions().converge();
  const read = async () =>
    (await sql.query(`SELECT high::text, tags FROM items WHERE id = ${id}`)).rows[0];
  expect(await read()).toEqual({ high: '5', tags: ['a', 'b'] });
  await sql.query(`UPDATE items SET high = NULL, tags = '{z,b}' WHERE id = ${id}`);
  await sql.query(`UPDATE items SET high = 3 WHERE id = ${id}`);
  await regions().converge();
  expect(await read()).toEqual({ high: '3', tags: ['b', 'z'] });
});

test('flags: enabling or disabling wins, as declared', async () => {
  const found = await race(
    {
      seed: SEED.replace('false, true', 'true, false'),
      inEu: 'UPDATE items SET up = false, down = true WHERE id = $id',
      // What is said again is no change: off and on is.
      inUs: `BEGIN; UPDATE items SET up = false, down = true WHERE id = $id;
        UPDATE items SET up = true, down = false WHERE id = $id; COMMIT`,
    },
    'up, down',
  );
  expect(found).toEqual({ up: true, down: false });
});

test('sets: additions and removals of both sides, in one order', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET tags = array_append(array_remove(tags, 'a'), 'x y'), numbers = '{10,2}' WHERE id = $id`,
      inUs: `UPDATE items SET tags = tags || '{c,NULL}', numbers = numbers || 7 WHERE id = $id`,
    },
    'tags::text, numbers::text',
  );
  expect(found).toEqual({ tags: '{b,c,"x y",NULL}', numbers: '{2,7,10}' });
});

test('maps: every key of every level is its own register', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET attrs = jsonb_set(attrs, '{size,w}', '5') - 'color' WHERE id = $id`,
      inUs: `UPDATE items SET attrs = jsonb_set(attrs, '{size,h}', '7') || '{"big": 12345678901234567890.50}' WHERE id = $id`,
    },
    'attrs::text',
  );
  expect(found).toEqual({ attrs: '{"big": 12345678901234567890.50, "size": {"h": 7, "w": 5}}' });
});

test('texts, lists and documents: edits stand beside each other', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET body = 'Hello, dear world.', steps = '["a", "eu", "b"]',
        doc = '{"t": ["x", "y"], "n": 2}' WHERE id = $id`,
      inUs: `UPDATE items SET body = 'Hello world! 😀', steps = '["b", "us"]',
        doc = '{"t": ["w", "x"], "n": 1, "more": {"a": 1}}' WHERE id = $id`,
    },
    'body, steps::text, doc::text',
  );
  expect(found).toEqual({
    body: 'Hello, dear world! 😀',
    steps: '["eu", "b", "us"]',
    doc: '{"n": 2, "t": ["w", "x", "y"], "more": {"a": 1}}',
  });
});

test('a text that is emptied, set to NULL and back; edits of the old one are no part of the new', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET body = '' WHERE id = $id; UPDATE items SET body = NULL WHERE id = $id;
        UPDATE items SET body = 'new' WHERE id = $id; UPDATE items SET body = 'new text' WHERE id = $id`,
      inUs: `UPDATE items SET body = 'Hello world, again.', tags = tags || '{us}' WHERE id = $id`,
    },
    'body, tags::text',
  );
  expect(found).toEqual({ body: 'new text', tags: '{a,b,us}' });
});

test('two regions insert the same key: the later text, every tag, the highest maximum', async () => {
  const found = await race(
    {
      inEu: `INSERT INTO items (id, high, tags, body) VALUES ($id, 9, '{eu}', 'eu');
        UPDATE items SET body = 'eu!' WHERE id = $id`,
      inUs: `INSERT INTO items (id, high, tags, body) VALUES ($id, 7, '{us}', 'us');
        UPDATE items SET body = 'us!', tags = tags || '{more}' WHERE id = $id`,
    },
    'high::text, tags::text, body',
  );
  expect(found).toEqual({ high: '9', tags: '{eu,more,us}', body: 'us!' });
});

test('a row that a concurrent delete loses to comes back with everything merged', async () => {
  const found = await race(
    {
      seed: SEED,
      inEu: `UPDATE items SET tags = tags || '{eu}', body = 'Hello whole world.' WHERE id = $id;
        DELETE FROM items WHERE id = $id`,
      inUs: `UPDATE items SET tags = array_remove(tags, 'a'), body = 'Hello world!', high = 6 WHERE id = $id`,
    },
    'tags::text, body, high::text',
  );
  expect(found).toEqual({ tags: '{b,eu}', body: 'Hello whole world!', high: '6' });
});

test('add-wins: a later deletion that had not seen an update takes nothing', async () => {
  const found = await race(
    {
      seed: `INSERT INTO keepers VALUES ($id, 'seed')`,
      inEu: `UPDATE keepers SET note = 'kept' WHERE id = $id`,
      inUs: 'DELETE FROM keepers WHERE id = $id',
    },
    'note',
    'keepers',
  );
  expect(found).toEqual({ note: 'kept' });
});

test('delete-wins: a deletion takes a row that is updated later without having seen it', async () => {
  const found = await race(
    {
      seed: `INSERT INTO goners VALUES ($id, 'seed')`,
      inEu: 'DELETE FROM goners WHERE id = $id',
      inUs: `UPDATE goners SET note = 'kept' WHERE id = $id`,
    },
    'note',
    'goners',
  );
  expect(found).toBeUndefined();
});

test('a counter that does not fit its column waits with the true sum, holds up nothing, and follows', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const id = ++lastId;
  await eu.sql.query(`INSERT INTO items (id, n, tags) VALUES (${id}, 2147483640, '{}')`);
  await regions().settle();
  eu.from('us').hold();
  us.from('eu').hold();
  for (const { sql, name } of [eu, us]) {
    await sql.query(`UPDATE items SET n = n + 5, tags = '{${name}}' WHERE id = ${id}`);
  }
  await eventually('both have published', () =>
    [eu, us].every((region) => region.status()?.unpublishedBytes === 0),
  );
  eu.from('us').release();
  us.from('eu').release();
  // The barrier's rows go through behind it.
  await regions().settle();
  await eventually('it is in quarantine', () =>
    [eu, us].every((region) => region.status()?.quarantined === 1),
  );
  const { rows } = await us.sql.query<{ n: string }>(
    `SELECT wanted::jsonb ->> 'n' AS n FROM everywrite.quarantine`,
  );
  expect(rows).toEqual([{ n: '2147483650' }]);
  await us.sql.query(`UPDATE items SET n = n - 100 WHERE id = ${id}`);
  await regions().converge();
  const found = await eu.sql.query(`SELECT n, tags::text FROM items WHERE id = ${id}`);
  expect(found.rows).toEqual([{ n: 2147483550, tags: '{eu,us}' }]);
});
