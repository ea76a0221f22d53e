import { afterEach, expect, test } from 'vitest';
import { eventually, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// A child is inserted in one region while another deletes its parent: the foreign key's own ON DELETE
// says what becomes of it, and nothing is left dangling.

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: `
    CREATE TABLE parent (id int PRIMARY KEY, "other id" text UNIQUE, note text);
    CREATE TABLE cascaded (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE below (id int PRIMARY KEY, c int REFERENCES cascaded ON DELETE CASCADE);
    CREATE TABLE nulled (id int PRIMARY KEY, p int REFERENCES parent ON DELETE SET NULL);
    CREATE TABLE defaulted (id int PRIMARY KEY,
      p int DEFAULT 1000 REFERENCES parent ON DELETE SET DEFAULT);
    CREATE TABLE strict (id int PRIMARY KEY, p text REFERENCES parent ("other id"));
    CREATE TABLE ring (id int PRIMARY KEY, next int REFERENCES ring ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED);`,
});
afterEach(async () => regions().letGo());

interface Sides {
  readonly eu: TestRegion;
  readonly us: TestRegion;
}

function sides(): Sides {
  return { eu: regions().region('eu'), us: regions().region('us') };
}

/** eu and us write without having seen each other; ap gets theirs in this order. */
async function atOnce(inEu: string, inUs: string, order: 'eu first' | 'us first'): Promise<void> {
  const { eu, us } = sides();
  const ap = regions().region('ap');
  const pairs = [eu, us, ap].flatMap((to) =>
    [eu, us, ap].filter((from) => from !== to).map((from) => to.from(from.name)),
  );
  for (const gate of pairs) gate.hold();
  await eu.sql.query(inEu);
  await us.sql.query(inUs);
  const [first, second] = order === 'eu first' ? [eu, us] : [us, eu];
  for (const from of [first, second]) {
    const before = ap.status()?.origins[from.name]?.applied ?? 0;
    ap.from(from.name).release();
    await eventually('it is applied', () => {
      return (ap.status()?.origins[from.name]?.applied ?? 0) > before;
    });
  }
  for (const gate of pairs) gate.release();
  // Before the child is everywhere, a table without it says nothing.
  await regions().settle();
}

async function rows(region: TestRegion, sql: string): Promise<readonly unknown[]> {
  return (await region.sql.query<Record<string, unknown>>(sql)).rows;
}

/** What every region comes to hold. */
async function everywhere(sql: string, expected: readonly unknown[]): Promise<void> {
  for (const region of regions().all) {
    await eventually(`${region.name}: ${sql}`, async () => {
      return JSON.stringify(await rows(region, sql)) === JSON.stringify(expected);
    }).catch(() => undefined);
    expect(await rows(region, sql), region.name).toEqual(expected);
  }
  await regions().converge();
}

async function parents(...ids: readonly number[]): Promise<void> {
  const values = ids.map((id) => `(${id}, 'o${id}', 'n${id}')`).join(', ');
  await sides().eu.sql.query(`INSERT INTO parent VALUES ${values} ON CONFLICT DO NOTHING`);
  await regions().settle();
}

test.each(['eu first', 'us first'] as const)(
  'CASCADE removes the child and what is below it (%s)',
  async (order) => {
    await parents(1);
    await atOnce(
      'DELETE FROM parent WHERE id = 1',
      'INSERT INTO cascaded VALUES (1, 1); INSERT INTO below VALUES (1, 1)',
      order,
    );
    await everywhere('SELECT id FROM cascaded', []);
    await everywhere('SELECT id FROM below', []);
  },
);

test('SET NULL and SET DEFAULT change the child', async () => {
  await parents(2, 3, 1000);
  await atOnce(
    'DELETE FROM parent WHERE id IN (2, 3)',
    'INSERT INTO nulled VALUES (2, 2); INSERT INTO defaulted VALUES (3, 3)',
    'us first',
  );
  await everywhere('SELECT id, p FROM nulled', [{ id: 2, p: null }]);
  await everywhere('SELECT id, p FROM defaulted', [{ id: 3, p: 1000 }]);
});

test('where the parent could not have been deleted, it comes back whole', async () => {
  await parents(4);
  await atOnce(
    'DELETE FROM parent WHERE id = 4',
    `INSERT INTO strict VALUES (4, 'o4')`,
    'eu first',
  );
  await everywhere(`SELECT * FROM parent WHERE id = 4`, [{ id: 4, 'other id': 'o4', note: 'n4' }]);
  await everywhere('SELECT id, p FROM strict', [{ id: 4, p: 'o4' }]);
});

test('an update that moves a child to a parent that is being deleted counts as well', async () => {
  await parents(5, 6);
  await sides().us.sql.query('INSERT INTO cascaded VALUES (5, 5)');
  await regions().settle();
  await atOnce(
    'DELETE FROM parent WHERE id = 6',
    'UPDATE cascaded SET p = 6 WHERE id = 5',
    'eu first',
  );
  await everywhere('SELECT id FROM cascaded', []);
});

test('rows that refer to each other in a circle are no obstacle', async () => {
  const { eu } = sides();
  await eu.sql.query('BEGIN; INSERT INTO ring VALUES (1, 2), (2, 1); COMMIT');
  await regions().settle();
  await atOnce('DELETE FROM ring WHERE id = 1', 'INSERT INTO ring VALUES (3, 2)', 'us first');
  await everywhere('SELECT id FROM ring', []);
});

test('a region that ends before everybody has seen the deletion looks when it starts again', async () => {
  const { eu, us } = sides();
  await parents(7);
  us.from('eu').hold();
  eu.from('us').hold();
  await eu.sql.query('DELETE FROM parent WHERE id = 7');
  await us.sql.query('INSERT INTO cascaded VALUES (7, 7)');
  await eventually('it is captured', () => (eu.status()?.captured ?? 0) > 0);
  await eu.stop();
  us.from('eu').release();
  eu.from('us').release();
  await eu.start();
  await regions().settle();
  await everywhere('SELECT id FROM cascaded', []);
});
