import { afterEach, expect, test } from 'vitest';
import { pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// TRUNCATE beats concurrent updates, not concurrent inserts (DESIGN.md section 7, hazards.md 14).

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, a text);
    CREATE TABLE others (id int PRIMARY KEY, a text);`,
  replication: { fenceTimeoutMs: 20_000 },
});
afterEach(async () => regions().letGo());

async function rows(region: TestRegion): Promise<readonly string[]> {
  const { rows: found } = await region.sql.query<{ row: string }>(
    `SELECT id || ' ' || a AS row FROM items ORDER BY id`,
  );
  return found.map(({ row }) => row);
}

/** Seeds rows 1 to 3, and lets eu and us write without knowing of each other. */
async function apart(inEu: string, inUs: string, usFirst = false): Promise<readonly string[]> {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  await eu.sql.query('DELETE FROM items; DELETE FROM others');
  await eu.sql.query(`INSERT INTO items SELECT g, 'seed' FROM generate_series(1, 3) g`);
  await regions().settle();
  eu.from('us').hold();
  us.from('eu').hold();
  const writes = [() => eu.sql.query(inEu), () => us.sql.query(inUs)] as const;
  // What us writes is committed there and not captured when the TRUNCATE arrives.
  us.capture.hold();
  for (const write of usFirst ? writes.toReversed() : writes) {
    await write();
    await pause(2);
  }
  us.from('eu').release();
  await pause(60);
  us.capture.release();
  eu.from('us').release();
  await regions().converge();
  return rows(us);
}

test('an unseen concurrent insert survives a TRUNCATE, before or after it', async () => {
  expect(await apart('TRUNCATE items', `INSERT INTO items VALUES (9, 'new')`)).toEqual(['9 new']);
  expect(await apart('TRUNCATE items', `INSERT INTO items VALUES (9, 'new')`, true)).toEqual([
    '9 new',
  ]);
});

test('an unseen concurrent update loses to a TRUNCATE, before or after it', async () => {
  expect(await apart('TRUNCATE items', `UPDATE items SET a = 'x' WHERE id = 1`)).toEqual([]);
  expect(await apart('TRUNCATE items', `UPDATE items SET a = 'x' WHERE id = 1`, true)).toEqual([]);
});

test('a row that is deleted and inserted again beside a TRUNCATE survives it', async () => {
  const again = `DELETE FROM items WHERE id = 2; INSERT INTO items VALUES (2, 'again')`;
  expect(await apart('TRUNCATE items', again)).toEqual(['2 again']);
});

test('what a transaction writes around its own TRUNCATE is the same everywhere', async () => {
  const around = `BEGIN; UPDATE items SET a = 'gone' WHERE id = 1; INSERT INTO items VALUES (7, 'gone');
    TRUNCATE items, others; INSERT INTO items VALUES (1, 'after'), (8, 'after'); COMMIT`;
  const found = await apart(around, `UPDATE items SET a = 'x' WHERE id IN (1, 2)`);
  expect(found).toContain('8 after');
  expect(await apart(around, `UPDATE items SET a = 'x' WHERE id = 1`, true)).toContain('8 after');
});

test('two regions truncate, and go on writing', async () => {
  const found = await apart(
    `TRUNCATE items; INSERT INTO items VALUES (1, 'eu')`,
    `TRUNCATE items; INSERT INTO items VALUES (2, 'us')`,
  );
  expect(found).toEqual(['1 eu', '2 us']);
});

test('writers do not stop while tables are truncated again and again', async () => {
  const [eu, us, ap] = [regions().region('eu'), regions().region('us'), regions().region('ap')];
  await regions().settle();
  const endMs = performance.now() + 2000;
  const writer = async (region: TestRegion, offset: number): Promise<void> => {
    const sql = await region.client();
    for (let round = 0; performance.now() < endMs; round++) {
      const id = 100 + ((round * 3 + offset) % 60);
      await sql.query(`INSERT INTO items VALUES (${id}, 'w') ON CONFLICT DO NOTHING`);
      await sql.query(`UPDATE items SET a = '${region.name} ${round}' WHERE id = ${id - 3}`);
      if (round % 5 === 0) await sql.query(`DELETE FROM items WHERE id = ${id - 6}`);
      await pause(4);
    }
  };
  const truncater = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await pause(150);
      await us.sql.query('TRUNCATE items');
    }
  };
  await Promise.all([writer(eu, 0), writer(us, 1), writer(ap, 2), writer(eu, 1), truncater()]);
  await regions().converge();
});
