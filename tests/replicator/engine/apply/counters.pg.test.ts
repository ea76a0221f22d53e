import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { ConflictRecord } from '#tests/support/region-compare.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Counters beside inserts, deletes, NULL and writes that apply has not seen (hazards.md, 14 and F7).

const regions = withRegions({
  schema: 'CREATE TABLE tallies (id int PRIMARY KEY, n int, m numeric, note text);',
  columns: { 'public.tallies.n': 'counter', 'public.tallies.m': 'counter' },
  replication: { fenceTimeoutMs: 20_000 },
});
afterEach(async () => regions().letGo());

let lastId = 0;

interface Sides {
  readonly eu: TestRegion;
  readonly us: TestRegion;
}

interface Race {
  /** What is there before; `$id` stands for the row's key, here and below. */
  readonly seed?: string;
  /** Captured at eu before us's write arrives. */
  readonly seenInEu?: string;
  /** Committed at eu and not captured when us's write arrives. */
  readonly inEu?: string;
  readonly inUs: string;
  /** us commits first. */
  readonly usFirst?: boolean;
}

interface Result {
  readonly row: unknown;
  readonly conflicts: readonly ConflictRecord[];
}

async function race({ seed, seenInEu, inEu, inUs, usFirst }: Race): Promise<Result> {
  const { eu, us }: Sides = { eu: regions().region('eu'), us: regions().region('us') };
  const id = ++lastId;
  const sql = (text: string): string => text.replaceAll('$id', String(id));
  if (seed !== undefined) await eu.sql.query(sql(seed));
  await regions().settle();
  eu.from('us').hold();
  us.from('eu').hold();
  const early = async (): Promise<void> => void (await us.sql.query(sql(inUs)));
  if (usFirst === true) await early();
  const before = eu.status()?.captured ?? 0;
  if (seenInEu !== undefined) {
    await eu.sql.query(sql(seenInEu));
    await eventually('it is captured', () => (eu.status()?.captured ?? 0) > before);
  }
  if (inEu !== undefined) {
    eu.capture.hold();
    await eu.sql.query(sql(inEu));
  }
  await pause(2);
  if (usFirst !== true) await early();
  await eventually('us has published', () => us.status()?.unpublishedBytes === 0);
  eu.from('us').release();
  await pause(40);
  eu.capture.release();
  us.from('eu').release();
  const contents = await regions().converge();
  const rows = (contents.tables['public.tallies'] ?? []).map(
    (text) => JSON.parse(text) as { readonly id: number },
  );
  const found = rows.find((row) => row.id === id);
  const conflicts = contents.conflicts.filter(({ key }) => key === String(id));
  return { row: found === undefined ? undefined : { ...found, id: 0 }, conflicts };
}

const SEED = `INSERT INTO tallies VALUES ($id, 10, 1.5, 'seed')`;
const row = (n: number | null, m: number | null, note: string | null): unknown => ({
  id: 0,
  n,
  m,
  note,
});

test('concurrent increments all count, fractions exactly', async () => {
  const { row: found, conflicts } = await race({
    seed: SEED,
    inEu: 'UPDATE tallies SET n = n + 5, m = m + 0.1 WHERE id = $id',
    inUs: 'UPDATE tallies SET n = n - 2, m = m + 0.02 WHERE id = $id',
  });
  expect(found).toEqual(row(13, 1.62, 'seed'));
  expect(conflicts).toEqual([]);
});

test('a later NULL swallows a concurrent increment, and the next value starts afresh', async () => {
  const { row: found } = await race({
    seed: SEED,
    inEu: `UPDATE tallies SET n = NULL WHERE id = $id; UPDATE tallies SET n = 3 WHERE id = $id`,
    inUs: 'UPDATE tallies SET n = n + 1 WHERE id = $id',
    usFirst: true,
  });
  // 3 is an assignment that had not seen the increment: it counts on top.
  expect(found).toEqual(row(4, 1.5, 'seed'));
});

test('an increment of a counter that is NULL elsewhere stays NULL', async () => {
  const { row: found } = await race({
    seed: SEED,
    seenInEu: 'UPDATE tallies SET n = NULL WHERE id = $id',
    inUs: 'UPDATE tallies SET n = n + 1 WHERE id = $id',
  });
  expect(found).toEqual(row(null, 1.5, 'seed'));
});

test('two regions give a NULL counter its first value: the later one stands', async () => {
  const { row: found, conflicts } = await race({
    seed: `INSERT INTO tallies VALUES ($id, NULL, NULL, 'seed')`,
    inEu: 'UPDATE tallies SET n = 100 WHERE id = $id',
    inUs: 'UPDATE tallies SET n = 7, m = 0.5 WHERE id = $id',
  });
  expect(found).toEqual(row(7, 0.5, 'seed'));
  const [conflict] = conflicts;
  expect(conflict).toMatchObject({ column_name: 'n', winner_value: '7', loser_value: '100' });
});

test('a row that is deleted and inserted again counts from its new base', async () => {
  const { row: found } = await race({
    seed: SEED,
    seenInEu: 'DELETE FROM tallies WHERE id = $id',
    inEu: `INSERT INTO tallies VALUES ($id, 0, 0, 'again')`,
    inUs: 'UPDATE tallies SET n = n + 5 WHERE id = $id',
    usFirst: true,
  });
  // The insert had not seen the increment, which therefore counts (hazards.md, 1).
  expect(found).toEqual(row(5, 0, 'again'));
});

test('an increment that was seen before the row was inserted again does not count twice', async () => {
  const { row: found } = await race({
    seed: SEED,
    seenInEu: 'UPDATE tallies SET n = n + 5 WHERE id = $id',
    inEu: `BEGIN; DELETE FROM tallies WHERE id = $id;
      INSERT INTO tallies VALUES ($id, 1, 1, 'again'); UPDATE tallies SET n = n + 1 WHERE id = $id;
      COMMIT`,
    inUs: `UPDATE tallies SET m = m + 0.25 WHERE id = $id`,
  });
  expect(found).toEqual(row(2, 1.25, 'again'));
});

test('two regions insert the same key: the later base, and every increment on either', async () => {
  const { row: found, conflicts } = await race({
    inEu: `INSERT INTO tallies VALUES ($id, 10, 1, 'eu'); UPDATE tallies SET n = n + 1 WHERE id = $id`,
    inUs: `BEGIN; INSERT INTO tallies VALUES ($id, 20, 2, 'us');
      UPDATE tallies SET n = n + 2 WHERE id = $id; COMMIT`,
  });
  expect(found).toEqual(row(23, 2, 'us'));
  // The record keeps what each of them inserted, also where the addition came in the same transaction.
  const record = conflicts.find(({ column_name }) => column_name === 'n');
  expect(record).toMatchObject({ kind: 'insert-insert', winner_value: '20', loser_value: '10' });
});

test('a counter on a row that a concurrent delete loses to keeps every increment', async () => {
  const { row: found } = await race({
    seed: SEED,
    seenInEu: 'UPDATE tallies SET n = n + 1 WHERE id = $id',
    inEu: 'DELETE FROM tallies WHERE id = $id',
    inUs: `UPDATE tallies SET n = n + 2, note = 'kept' WHERE id = $id`,
  });
  expect(found).toEqual(row(13, 1.5, 'kept'));
});

test('thousands of increments in both regions are conserved while links come and go', async () => {
  const { eu, us }: Sides = { eu: regions().region('eu'), us: regions().region('us') };
  const id = ++lastId;
  await eu.sql.query(`INSERT INTO tallies VALUES (${id}, 0, 0, 'hot')`);
  await regions().settle();
  const sessions = await Promise.all([eu.client(), eu.client(), us.client(), us.client()]);
  const rounds = 150;
  const work = sessions.map(async (sql) => {
    for (let round = 0; round < rounds; round++) {
      await sql.query(`UPDATE tallies SET n = n + 1, m = m + 0.01 WHERE id = ${id}`);
    }
  });
  const link = regions().cluster.link('eu', 'us');
  link.cut('reset');
  await pause(150);
  link.heal();
  await Promise.all(work);
  await regions().converge();
  const { rows } = await us.sql.query('SELECT n, m::text FROM tallies WHERE id = $1', [id]);
  expect(rows).toEqual([{ n: 4 * rounds, m: (4 * rounds * 0.01).toFixed(2) }]);
});
