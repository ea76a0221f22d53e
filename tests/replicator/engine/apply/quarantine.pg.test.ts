import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// A row that one region's table refuses waits for a person; nothing else does.

const regions = withRegions({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, a text);
    CREATE TABLE checked (id int PRIMARY KEY, level int, note text, hits int NOT NULL DEFAULT 0);
    CREATE TABLE narrow (id int PRIMARY KEY, a text, extra text);
    CREATE TABLE absent (id int PRIMARY KEY, a text);
    CREATE TABLE guarded (id int PRIMARY KEY, a text);
    CREATE TABLE indexed (id int PRIMARY KEY, a text);
    CREATE TYPE mood AS ENUM ('glad', 'calm');
    CREATE TABLE varied (id bigint PRIMARY KEY, name text, mood mood, a text);`,
  columns: { 'public.checked.hits': 'counter' },
  differing: {
    us: `
      ALTER TABLE checked ADD CONSTRAINT low CHECK (level < 10);
      ALTER TABLE narrow DROP COLUMN extra;
      DROP TABLE absent;
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON guarded FOR EACH ROW
        WHEN (NEW.a = 'refused') EXECUTE FUNCTION refuse();
      ALTER TABLE guarded ENABLE ALWAYS TRIGGER refuse;
      CREATE INDEX ON indexed (a);
      ALTER TABLE varied ALTER id TYPE int, ALTER name TYPE varchar(5),
        ADD COLUMN later text NOT NULL DEFAULT 'x';
      CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'not yours'; END $$;
      CREATE TRIGGER forbid BEFORE INSERT ON varied FOR EACH ROW
        WHEN (NEW.a = 'forbidden') EXECUTE FUNCTION forbid();
      ALTER TABLE varied ENABLE ALWAYS TRIGGER forbid;`,
  },
});
afterEach(async () => regions().letGo());

interface Sides {
  readonly eu: TestRegion;
  readonly us: TestRegion;
}

function sides(): Sides {
  return { eu: regions().region('eu'), us: regions().region('us') };
}

/** One row of a region's table as JSON, or undefined. */
async function row(region: TestRegion, table: string, id: number): Promise<unknown> {
  const { rows } = await region.sql.query(`SELECT to_jsonb(t) - 'id' AS row FROM ${table} t
    WHERE id = ${id}`);
  return (rows[0] as { row: unknown } | undefined)?.row;
}

/** What eu writes from now on still arrives in us. */
async function goesOn(id: number): Promise<void> {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO items VALUES ($1, 'goes on')`, [id]);
  await eventually('the stream goes on', async () => (await row(us, 'items', id)) !== undefined);
}

test('a row that violates a local CHECK waits alone, and follows once the constraint is gone', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`BEGIN; INSERT INTO checked VALUES (1, 50, 'high'), (2, 5, 'low');
    INSERT INTO items VALUES (1, 'same transaction'); COMMIT`);
  await eventually('the rest is there', async () => (await row(us, 'items', 1)) !== undefined);
  expect(await row(us, 'checked', 2)).toEqual({ level: 5, note: 'low', hits: 0 });
  expect(await row(us, 'checked', 1)).toBeUndefined();
  expect(us.status()?.quarantined).toBe(1);
  const { rows } = await us.sql.query('SELECT relation, key, sql_state FROM everywrite.quarantine');
  expect(rows).toEqual([{ relation: 'public.checked', key: '1', sql_state: '23514' }]);
  await goesOn(2);
  await eu.sql.query('UPDATE checked SET hits = hits + 3 WHERE id = 1');
  await us.sql.query('ALTER TABLE checked DROP CONSTRAINT low');
  await eventually('it follows', async () => (await row(us, 'checked', 1)) !== undefined);
  expect(await row(us, 'checked', 1)).toEqual({ level: 50, note: 'high', hits: 3 });
  await eventually('it is released', () => us.status()?.quarantined === 0);
});

test('what this region writes to a row in quarantine is not undone when it is released', async () => {
  const { eu, us } = sides();
  await us.sql.query('ALTER TABLE checked ADD CONSTRAINT low CHECK (level < 10) NOT VALID');
  await eu.sql.query(`INSERT INTO checked VALUES (3, 5, 'old')`);
  await regions().settle();
  await eu.sql.query('UPDATE checked SET level = 60 WHERE id = 3');
  await eventually('it is refused', () => us.status()?.quarantined === 1);
  await us.sql.query(`UPDATE checked SET note = 'mine', hits = hits + 2 WHERE id = 3`);
  await eventually('eu has it', async () =>
    JSON.stringify(await row(eu, 'checked', 3)).includes('mine'),
  );
  // By now everybody has everything, and nothing of it is remembered.
  await pause(1000);
  await us.sql.query('ALTER TABLE checked DROP CONSTRAINT low');
  await eventually('it is released', () => us.status()?.quarantined === 0);
  expect(await row(us, 'checked', 3)).toEqual({ level: 60, note: 'mine', hits: 2 });
  expect(await row(eu, 'checked', 3)).toEqual({ level: 60, note: 'mine', hits: 2 });
});

test('what eu writes to a row in quarantine is merged while it waits, beyond a restart', async () => {
  const { eu, us } = sides();
  await us.sql.query('ALTER TABLE checked ADD CONSTRAINT low CHECK (level < 10) NOT VALID');
  await eu.sql.query(`INSERT INTO checked VALUES (4, 70, 'first')`);
  await eventually('it is refused', () => us.status()?.quarantined === 1);
  await eu.sql.query(`UPDATE checked SET note = 'second', hits = hits + 1 WHERE id = 4`);
  await pause(300);
  await us.stop();
  await us.start();
  await eventually('it is remembered', () => us.status()?.quarantined === 1);
  await eu.sql.query(`UPDATE checked SET hits = hits + 1 WHERE id = 4`);
  await us.sql.query('ALTER TABLE checked DROP CONSTRAINT low');
  await eventually('it is released', () => us.status()?.quarantined === 0);
  await goesOn(41);
  expect(await row(us, 'checked', 4)).toEqual({ level: 70, note: 'second', hits: 2 });
});

test('a quarantined row that is deleted elsewhere is quarantined no more', async () => {
  const { eu, us } = sides();
  await us.sql.query('ALTER TABLE checked ADD CONSTRAINT low CHECK (level < 10) NOT VALID');
  await eu.sql.query(`INSERT INTO checked VALUES (5, 80, 'x')`);
  await eventually('it is refused', () => us.status()?.quarantined === 1);
  await eu.sql.query('DELETE FROM checked WHERE id = 5');
  await eventually('it is released', () => us.status()?.quarantined === 0);
  await us.sql.query('ALTER TABLE checked DROP CONSTRAINT low');
  expect(await row(us, 'checked', 5)).toBeUndefined();
});

test('a column that is missing here leaves the rest of the row, and follows when it is added', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO narrow VALUES (1, 'a', 'wide')`);
  await eventually('the rest is there', async () => (await row(us, 'narrow', 1)) !== undefined);
  expect(await row(us, 'narrow', 1)).toEqual({ a: 'a' });
  await goesOn(3);
  await us.sql.query('ALTER TABLE narrow ADD COLUMN extra text');
  await eventually('the value follows', async () => {
    return JSON.stringify(await row(us, 'narrow', 1)).includes('wide');
  });
});

test('a table that is missing here holds up no other, and is filled when it is created', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`BEGIN; INSERT INTO absent VALUES (1, 'first');
    INSERT INTO items VALUES (4, 'same transaction'); COMMIT`);
  await eventually('the rest is there', async () => (await row(us, 'items', 4)) !== undefined);
  await eu.sql.query(`UPDATE absent SET a = 'second' WHERE id = 1`);
  await goesOn(5);
  await us.sql.query('CREATE TABLE absent (id int PRIMARY KEY, a text)');
  await eventually('it is filled', async () => (await row(us, 'absent', 1)) !== undefined);
  expect(await row(us, 'absent', 1)).toEqual({ a: 'second' });
});

test('a row that a local trigger refuses waits alone', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO guarded VALUES (1, 'refused'), (2, 'welcome')`);
  await goesOn(6);
  expect(await row(us, 'guarded', 1)).toBeUndefined();
  expect(await row(us, 'guarded', 2)).toEqual({ a: 'welcome' });
});

test('a value too large for a local index waits alone', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`INSERT INTO indexed
    SELECT 1, string_agg(md5(g::text), '') FROM generate_series(1, 500) g`);
  await eu.sql.query(`INSERT INTO indexed VALUES (2, 'small')`);
  await goesOn(7);
  expect(await row(us, 'indexed', 1)).toBeUndefined();
  expect(await row(us, 'indexed', 2)).toEqual({ a: 'small' });
});

test('a table that differs here refuses the rows that do not fit it, each for its own reason', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`ALTER TYPE mood ADD VALUE 'angry'`);
  await us.sql.query('ALTER TABLE varied ALTER later DROP DEFAULT');
  await eu.sql
    .query(`BEGIN; INSERT INTO varied VALUES (5000000000, 'key'), (1, 'too long'), (4, 'null');
    INSERT INTO varied VALUES (2, 'mood', 'angry', ''), (3, 'may', NULL, 'forbidden');
    INSERT INTO items VALUES (81, 'same transaction'); COMMIT`);
  await goesOn(82);
  expect(await row(us, 'items', 81)).toEqual({ a: 'same transaction' });
  const refused = `SELECT jsonb_object_agg(key, sql_state) AS row FROM everywrite.quarantine
    WHERE relation = 'public.varied'`;
  const { rows } = await us.sql.query<{ row: unknown }>(refused);
  expect(rows[0]?.row).toEqual({
    '5000000000': '22003',
    '1': '22001',
    '2': '22P02',
    '3': '42501',
    '4': '23502',
  });
  // Each cause is mended, and each row follows as it should have been.
  await us.sql.query(`ALTER TYPE mood ADD VALUE 'angry'`);
  await us.sql.query(`ALTER TABLE varied ALTER id TYPE bigint, ALTER name TYPE text,
    ALTER later SET DEFAULT 'new', DISABLE TRIGGER forbid`);
  us.retryQuarantined('public.varied', null);
  await eventually('all follow', async () => {
    const { rows: left } = await us.sql.query<{ row: unknown }>(refused);
    return left[0]?.row === null;
  });
  const all = `SELECT id, name, mood, a FROM varied ORDER BY id`;
  expect((await us.sql.query(all)).rows).toEqual((await eu.sql.query(all)).rows);
});

test('a NOT NULL column that only this region has takes its default', async () => {
  const { eu, us } = sides();
  const before = us.status()?.quarantined;
  await us.sql.query(`ALTER TABLE items ADD COLUMN later int NOT NULL DEFAULT 7`);
  await eu.sql.query(`INSERT INTO items VALUES (90, 'plain')`);
  await eu.sql.query(`BEGIN; INSERT INTO items VALUES (91, 'x'); UPDATE items SET a = 'folded'
    WHERE id = 91; COMMIT`);
  await goesOn(92);
  expect(us.status()?.quarantined).toBe(before);
  expect(await row(us, 'items', 90)).toEqual({ a: 'plain', later: 7 });
  expect(await row(us, 'items', 91)).toEqual({ a: 'folded', later: 7 });
});
