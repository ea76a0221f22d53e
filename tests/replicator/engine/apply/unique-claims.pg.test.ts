import { afterEach, expect, test } from 'vitest';
import { eventually, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// A value that only one row may have, given away in two regions at once: one row keeps it everywhere.

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: `
    CREATE TABLE account (id int PRIMARY KEY, email text UNIQUE, handle text UNIQUE, note text);
    CREATE TABLE partly (id int PRIMARY KEY, slot int, active bool NOT NULL);
    CREATE UNIQUE INDEX ON partly (slot) WHERE active;
    CREATE TABLE folded (id int PRIMARY KEY, name text);
    CREATE UNIQUE INDEX ON folded (lower(name));
    CREATE TABLE deferred (id int PRIMARY KEY, v int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE one_null (id int PRIMARY KEY, v int, UNIQUE NULLS NOT DISTINCT (v));
    CREATE TABLE booking (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
    CREATE TABLE computed (id int PRIMARY KEY, x text,
      y text GENERATED ALWAYS AS (upper(x)) STORED UNIQUE);
    CREATE TABLE "Größe" (id int, "Ä" text, PRIMARY KEY (id), UNIQUE ("Ä"));`,
});
afterEach(async () => regions().letGo());

interface Sides {
  readonly eu: TestRegion;
  readonly us: TestRegion;
  readonly ap: TestRegion;
}

function sides(): Sides {
  const named = (name: string): TestRegion => regions().region(name);
  return { eu: named('eu'), us: named('us'), ap: named('ap') };
}

/** Everybody holds what the others send. */
function hold(): void {
  const { all } = regions();
  for (const region of all) {
    for (const other of all) if (other !== region) region.from(other.name).hold();
  }
}

/** All is delivered, in the order of `deliveries` where it matters: [to, from] pairs. */
async function deliver(
  ...deliveries: readonly (readonly [TestRegion, TestRegion])[]
): Promise<void> {
  for (const [to, from] of deliveries) {
    const before = to.status()?.origins[from.name]?.applied ?? 0;
    to.from(from.name).release();
    await eventually(`${to.name} has what ${from.name} wrote`, () => {
      return (to.status()?.origins[from.name]?.applied ?? 0) > before;
    });
  }
  for (const region of regions().all) {
    for (const other of regions().all) if (other !== region) region.from(other.name).release();
  }
}

async function ids(table: string): Promise<readonly number[]> {
  const { eu } = sides();
  const { rows } = await eu.sql.query<{ id: number }>(`SELECT id FROM ${table} ORDER BY id`);
  return rows.map(({ id }) => id);
}

interface Recorded {
  readonly key: string;
  readonly winner_region: string;
  readonly loser_region: string;
  readonly loser_value: string;
}

async function recorded(table: string): Promise<readonly Recorded[]> {
  const { rows } = await sides().ap.sql.query<Recorded>(
    `SELECT key, winner_region, loser_region, loser_value FROM everywrite.conflicts
     WHERE relation = $1 AND kind = 'unique' ORDER BY key`,
    [table],
  );
  return rows;
}

function quarantined(): readonly number[] {
  return regions().all.map((region) => region.status()?.quarantined ?? -1);
}

/** Equal everywhere, and no row waits any more. */
async function settled(): Promise<void> {
  await regions().settle();
  await eventually('nothing waits', () => quarantined().every((count) => count === 0));
  await regions().converge();
}

const CASES: readonly (readonly [what: string, table: string, first: string, second: string])[] = [
  ['a UNIQUE column', 'account', `1, 'a@x', 'h1', 'eu'`, `2, 'a@x', 'h2', 'us'`],
  ['a partial unique index', 'partly', '1, 7, true', '2, 7, true'],
  ['a unique index on an expression', 'folded', `1, 'Ann'`, `2, 'ANN'`],
  ['a deferred UNIQUE constraint', 'deferred', '1, 5', '2, 5'],
  ['UNIQUE NULLS NOT DISTINCT', 'one_null', '1, NULL', '2, NULL'],
  ['an exclusion constraint', 'booking', `1, '[1,5)'`, `2, '[3,9)'`],
  ['a unique generated column', 'computed', `1, 'abc'`, `2, 'ABC'`],
  ['quoted and unicode names', '"Größe"', `1, 'ß'`, `2, 'ß'`],
];

test.each(CASES)(
  '%s: the first claim keeps the value in every region',
  async (_, table, ...rows) => {
    const { eu, us, ap } = sides();
    for (const [round, order] of [
      [eu, us],
      [us, eu],
    ].entries()) {
      await eu.sql.query(`DELETE FROM ${table}`);
      await regions().settle();
      hold();
      await eu.sql.query(`INSERT INTO ${table} VALUES (${rows[0]})`);
      await us.sql.query(`INSERT INTO ${table} VALUES (${rows[1]})`);
      await deliver(...order.map((from) => [ap, from] as const));
      await settled();
      await regions().converge();
      expect(await ids(table), `round ${round}`).toEqual([1]);
    }
    const records = await recorded(`public.${table.replaceAll('"', '')}`);
    expect(records).toHaveLength(2);
    expect(records[0]).toMatchObject({ key: '2', winner_region: 'eu', loser_region: 'us' });
    expect(JSON.parse(records[0]?.loser_value ?? '')).toMatchObject({ insert: { id: '2' } });
  },
);

test('an update that takes a value loses to the insert that took it first', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`DELETE FROM account; INSERT INTO account VALUES (10, 'old@x', 'h10')`);
  await regions().settle();
  hold();
  await us.sql.query(`INSERT INTO account VALUES (11, 'new@x', 'h11')`);
  await eu.sql.query(`UPDATE account SET email = 'new@x' WHERE id = 10`);
  await deliver();
  await settled();
  expect(await ids('account')).toEqual([11]);
});

test('of three claims the first one stands, in whatever order they arrive', async () => {
  const { eu, us, ap } = sides();
  const orders = [
    [eu, us, ap],
    [ap, us, eu],
    [us, ap, eu],
  ];
  for (const order of orders) {
    await eu.sql.query(`DELETE FROM account`);
    await regions().settle();
    hold();
    for (const [at, region] of order.entries()) {
      await region.sql.query(`INSERT INTO account VALUES (${20 + at}, 'three@x', 'h${at}')`);
    }
    await deliver();
    await settled();
    expect(await ids('account')).toEqual([20]);
  }
});

test('what the loser was told elsewhere meanwhile does not bring it back, and the rest of its transaction stays', async () => {
  const { eu, us, ap } = sides();
  await eu.sql.query(`DELETE FROM account; DELETE FROM folded`);
  await regions().settle();
  hold();
  await eu.sql.query(`INSERT INTO account VALUES (30, 'held@x', 'h30')`);
  await us.sql.query(`BEGIN; INSERT INTO account VALUES (31, 'held@x', 'h31');
    INSERT INTO folded VALUES (31, 'same transaction'); COMMIT`);
  // ap sees the loser first, and writes to it before anybody has ruled.
  ap.from('us').release();
  await eventually('ap has it', async () => {
    const { rowCount } = await ap.sql.query('SELECT FROM account WHERE id = 31');
    return rowCount === 1;
  });
  await ap.sql.query(`UPDATE account SET note = 'seen' WHERE id = 31`);
  await deliver();
  await settled();
  expect(await ids('account')).toEqual([30]);
  expect(await ids('folded')).toEqual([31]);
});

test('a value that moves between rows of one transaction is no conflict', async () => {
  const { eu, us } = sides();
  await eu.sql.query(`DELETE FROM account;
    INSERT INTO account VALUES (40, 'x@x', 'h40'), (41, 'y@x', 'h41'), (42, 'z@x', 'h42')`);
  await regions().settle();
  const before = (await recorded('public.account')).length;
  await eu.sql.query(`BEGIN; UPDATE account SET email = NULL WHERE id = 40;
    UPDATE account SET email = 'x@x' WHERE id = 41; UPDATE account SET email = 'y@x' WHERE id = 40;
    DELETE FROM account WHERE id = 42; INSERT INTO account VALUES (43, 'z@x', 'h42'); COMMIT`);
  await regions().converge();
  const { rows } = await us.sql.query('SELECT id, email FROM account ORDER BY id');
  expect(rows).toEqual([
    { id: 40, email: 'y@x' },
    { id: 41, email: 'x@x' },
    { id: 43, email: 'z@x' },
  ]);
  expect((await recorded('public.account')).length).toBe(before);
  expect(quarantined()).toEqual([0, 0, 0]);
});
