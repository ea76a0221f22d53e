import type pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Apply and the application want the same rows: apply gives way, and nothing is lost (hazards.md, 15).

const ROWS = 20;
const regions = withRegions({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, a text, n int NOT NULL DEFAULT 0);
    CREATE TABLE others (id int PRIMARY KEY, a text);
    INSERT INTO items SELECT g, 'seed' FROM generate_series(1, ${ROWS}) g;`,
  columns: { 'public.items.n': 'counter' },
});
afterEach(async () => regions().letGo());

interface Tally {
  added: number;
  readonly errors: string[];
}

/** Runs transactions until `endMs`; the application's errors by SQLSTATE, and what it has added. */
async function application(
  sql: pg.Client,
  endMs: number,
  tally: Tally,
  transaction: (round: number) => Promise<number>,
): Promise<void> {
  for (let round = 0; performance.now() < endMs; round++) {
    try {
      const added = await transaction(round);
      tally.added += added;
    } catch (error) {
      tally.errors.push((error as { code?: string }).code ?? String(error));
      await sql.query('ROLLBACK');
    }
  }
}

/** The other region writes several of the rows in one transaction, again and again. */
async function peer(us: TestRegion, endMs: number, tally: Tally): Promise<void> {
  const sql = await us.client();
  const text = 'UPDATE items SET n = n + 1, a = $1 WHERE id BETWEEN $2 AND $2 + 4';
  await application(sql, endMs, tally, async (round) => {
    await sql.query(text, [`us ${round}`, 1 + (round % (ROWS - 4))]);
    await pause(10);
    return 5;
  });
}

async function total(region: TestRegion): Promise<number> {
  const { rows } = await region.sql.query<{ n: number }>('SELECT sum(n)::int AS n FROM items');
  return rows[0]?.n ?? 0;
}

test('transactions that hold row locks for 300 ms never fail, and apply counts that it gave way', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const before = await total(eu);
  const tally: Tally = { added: 0, errors: [] };
  const endMs = performance.now() + 2500;
  const timeouts = eu.status()?.counters.lockTimeouts ?? 0;
  const long = async (first: number): Promise<void> => {
    const sql = await eu.client();
    await application(sql, endMs, tally, async (round) => {
      await sql.query('BEGIN');
      await sql.query('UPDATE items SET n = n + 1 WHERE id = $1', [first]);
      await pause(300);
      await sql.query(`UPDATE items SET n = n + 1, a = $2 WHERE id = $1`, [
        first + 1,
        `eu ${round}`,
      ]);
      await sql.query('COMMIT');
      return 2;
    });
  };
  await Promise.all([long(1), long(5), long(9), peer(us, endMs, tally)]);
  await regions().converge();
  expect(tally.errors).toEqual([]);
  expect(eu.status()?.counters.lockTimeouts).toBeGreaterThan(timeouts);
  expect(await total(eu)).toBe(before + tally.added);
});

test('an application that locks rows in the other order gets no deadlock', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const before = await total(eu);
  const tally: Tally = { added: 0, errors: [] };
  const endMs = performance.now() + 2500;
  const backwards = async (): Promise<void> => {
    const sql = await eu.client();
    await application(sql, endMs, tally, async () => {
      await sql.query('BEGIN');
      for (let id = ROWS; id > ROWS - 12; id--) {
        await sql.query('UPDATE items SET n = n + 1 WHERE id = $1', [id]);
        await pause(8);
      }
      await sql.query('COMMIT');
      return 12;
    });
  };
  await Promise.all([backwards(), peer(us, endMs, tally)]);
  await regions().converge();
  expect(tally.errors).toEqual([]);
  expect(await total(eu)).toBe(before + tally.added);
});

test('serializable transactions fail only in the application, with 40001, and succeed when repeated', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const before = await total(eu);
  const tally: Tally = { added: 0, errors: [] };
  const endMs = performance.now() + 2000;
  const serializable = async (): Promise<void> => {
    const sql = await eu.client();
    await application(sql, endMs, tally, async (round) => {
      await sql.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
      const id = 1 + (round % ROWS);
      await sql.query('SELECT sum(n) FROM items');
      await pause(5);
      await sql.query('UPDATE items SET n = n + 1 WHERE id = $1', [id]);
      await sql.query('COMMIT');
      return 1;
    });
  };
  await Promise.all([serializable(), serializable(), peer(us, endMs, tally)]);
  await regions().converge();
  expect(new Set(tally.errors)).toEqual(new Set(['40001']));
  expect(eu.status()?.error ?? null).toBeNull();
  expect(await total(eu)).toBe(before + tally.added);
});

test('a transaction that wrote and then idles pins the horizon, and regions converge all the same', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const idle = await eu.client();
  await idle.query('BEGIN');
  await idle.query(`INSERT INTO others VALUES (1, 'still open')`);
  for (let round = 0; round < 20; round++) {
    await eu.sql.query(`UPDATE items SET a = 'eu ${round}' WHERE id = ${1 + (round % 7)}`);
    await us.sql.query(`UPDATE items SET n = n + 1 WHERE id = ${1 + (round % 5)}`);
  }
  await regions().converge();
  await idle.query('COMMIT');
  const contents = await regions().converge();
  expect(contents.tables['public.others']).toEqual(['{"a": "still open", "id": 1}']);
});

test('a row lock holds up only what needs the row', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  const user = await eu.client();
  await user.query('BEGIN');
  await user.query('UPDATE items SET n = n + 1 WHERE id = 20');
  await us.sql.query(`INSERT INTO others VALUES (10, 'before')`);
  await us.sql.query(`UPDATE items SET a = 'waits' WHERE id = 20`);
  await us.sql.query(`INSERT INTO others VALUES (11, 'after')`);
  const has = async (id: number): Promise<boolean> => {
    const { rowCount } = await eu.sql.query('SELECT FROM others WHERE id = $1', [id]);
    return rowCount === 1;
  };
  await eventually('what came before is there', async () => has(10), 2000);
  // Its origin's order is kept: what came after waits with it.
  expect(await has(11)).toBe(false);
  await user.query('COMMIT');
  await regions().converge();
  expect(await has(11)).toBe(true);
});
