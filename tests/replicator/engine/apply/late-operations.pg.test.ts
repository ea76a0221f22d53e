import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Own operations that turn out concurrent with something already applied (hazards.md, 1 and F2).

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: 'CREATE TABLE items (id int PRIMARY KEY, a text, b text);',
  replication: { fenceTimeoutMs: 20_000 },
});
afterEach(async () => regions().letGo());

let lastId = 0;

async function seeded(): Promise<{
  readonly eu: TestRegion;
  readonly us: TestRegion;
  readonly ap: TestRegion;
  readonly id: number;
}> {
  const [eu, us, ap] = [regions().region('eu'), regions().region('us'), regions().region('ap')];
  const id = ++lastId;
  await eu.sql.query(`INSERT INTO items VALUES ($1, 'a0', 'b0')`, [id]);
  await regions().settle();
  return { eu, us, ap, id };
}

/** Row `id` as the table of a region has it. */
async function rowAt(region: TestRegion, id: number): Promise<unknown> {
  const { rows } = await region.sql.query('SELECT a, b FROM items WHERE id = $1', [id]);
  return rows[0];
}

/**
 * eu deletes the row and inserts it again, the insert unseen by capture; us, which has seen neither,
 * deletes it later. For apply at eu the row was dead and stays dead: it writes nothing, fences nothing.
 */
async function lateInsert(): Promise<{
  readonly eu: TestRegion;
  readonly us: TestRegion;
  readonly ap: TestRegion;
  readonly id: number;
}> {
  const all = await seeded();
  const { eu, us, id } = all;
  eu.from('us').hold();
  us.from('eu').hold();
  const before = eu.status()?.captured ?? 0;
  await eu.sql.query('DELETE FROM items WHERE id = $1', [id]);
  await eventually('the delete is captured', () => eu.status()?.captured === before + 1);
  eu.capture.hold();
  await eu.sql.query(`INSERT INTO items VALUES ($1, 'late', 'late')`, [id]);
  await pause(2);
  await us.sql.query('DELETE FROM items WHERE id = $1', [id]);
  return all;
}

test('a late insert over a tombstone is taken back when the remote delete is the greater', async () => {
  const { eu, us, id } = await lateInsert();
  eu.from('us').release();
  await eventually('the delete is applied without a fence', () => {
    return (eu.status()?.applied['us.1'] ?? 0) >= (us.status()?.captured ?? 0);
  });
  expect(await rowAt(eu, id)).toEqual({ a: 'late', b: 'late' });
  eu.capture.release();
  us.from('eu').release();
  await regions().converge();
  expect(await rowAt(eu, id)).toBeUndefined();
});

test('a late delete that loses brings the row back', async () => {
  const { eu, us, id } = await seeded();
  eu.from('us').hold();
  us.from('eu').hold();
  eu.capture.hold();
  await eu.sql.query('DELETE FROM items WHERE id = $1', [id]);
  await pause(2);
  await us.sql.query(`UPDATE items SET a = 'kept' WHERE id = $1`, [id]);
  eu.from('us').release();
  await pause(50);
  eu.capture.release();
  us.from('eu').release();
  await regions().converge();
  expect(await rowAt(eu, id)).toEqual({ a: 'kept', b: 'b0' });
});

test('a late update wins the column that it is later in, and only that', async () => {
  const { eu, us, id } = await seeded();
  eu.from('us').hold();
  us.from('eu').hold();
  await us.sql.query(`UPDATE items SET a = 'remote' WHERE id = $1`, [id]);
  eu.capture.hold();
  await eu.sql.query(`UPDATE items SET a = 'local' WHERE id = $1`, [id]);
  await pause(2);
  await us.sql.query(`UPDATE items SET b = 'remote' WHERE id = $1`, [id]);
  eu.from('us').release();
  await pause(50);
  eu.capture.release();
  us.from('eu').release();
  await regions().converge();
  expect(await rowAt(eu, id)).toEqual({ a: 'local', b: 'remote' });
});

test('a local transaction deletes a row and inserts it again while apply waits for its lock', async () => {
  const { eu, us, id } = await seeded();
  const user = await eu.client();
  await user.query('BEGIN');
  await user.query('DELETE FROM items WHERE id = $1', [id]);
  await user.query(`INSERT INTO items VALUES ($1, 'again', 'again')`, [id]);
  await us.sql.query(`UPDATE items SET b = 'remote' WHERE id = $1`, [id]);
  await eventually('apply has given way', () => (eu.status()?.counters.lockTimeouts ?? 0) > 0);
  // Apply is somewhere in its next wait for the lock.
  await pause(15);
  await user.query('COMMIT');
  await regions().converge();
  expect(await rowAt(eu, id)).toEqual({ a: 'again', b: 'again' });
});

test('a local delete and insert of a row goes on and on while apply works on it', async () => {
  const { eu, us, id } = await seeded();
  const user = await eu.client();
  const end = performance.now() + 1000;
  const local = async (): Promise<void> => {
    for (let round = 0; performance.now() < end; round++) {
      await user.query('BEGIN');
      await user.query('DELETE FROM items WHERE id = $1', [id]);
      await user.query(`INSERT INTO items VALUES ($1, $2, 'l') ON CONFLICT DO NOTHING`, [
        id,
        `l${round}`,
      ]);
      await user.query('COMMIT');
    }
  };
  const remote = async (): Promise<void> => {
    for (let round = 0; performance.now() < end; round++) {
      await us.sql.query('UPDATE items SET b = $2 WHERE id = $1', [id, `r${round}`]);
      await pause(5);
    }
  };
  await Promise.all([local(), remote()]);
  await regions().converge();
});

test('a dirty row that the application has locked holds up no other row', async () => {
  const { eu, us, ap, id } = await lateInsert();
  const other = (await seededAt(ap)) ?? 0;
  const user = await eu.client();
  await user.query('BEGIN');
  await user.query('SELECT FROM items WHERE id = $1 FOR UPDATE', [id]);
  eu.from('us').release();
  await eventually('us is applied', () => {
    return (eu.status()?.applied['us.1'] ?? 0) >= (us.status()?.captured ?? 0);
  });
  eu.capture.release();
  us.from('eu').release();
  await eventually('the row is dirty', () => eu.status()?.dirtyKeys === 1);
  await ap.sql.query(`UPDATE items SET a = 'goes on' WHERE id = $1`, [other]);
  const arrived = async (): Promise<boolean> => {
    const row = await rowAt(eu, other);
    return JSON.stringify(row).includes('goes on');
  };
  await eventually('the other row is written', arrived, 3000);
  await user.query('COMMIT');
  await regions().converge();
});

test('a dirty row is projected although its operations have become stable meanwhile', async () => {
  const { eu, us, id } = await lateInsert();
  const user = await eu.client();
  await user.query('BEGIN');
  await user.query('SELECT FROM items WHERE id = $1 FOR UPDATE', [id]);
  eu.from('us').release();
  await eventually('us is applied', () => {
    return (eu.status()?.applied['us.1'] ?? 0) >= (us.status()?.captured ?? 0);
  });
  eu.capture.release();
  us.from('eu').release();
  await eventually('the row is dirty', () => eu.status()?.dirtyKeys === 1);
  // Peers have both operations and say so; here the row waits for its lock.
  await pause(1500);
  await user.query('COMMIT');
  await regions().converge();
  expect(await rowAt(eu, id)).toBeUndefined();
});

test('after a restart a stable write that won still wins against an unstable one that lost', async () => {
  const { eu, us, ap, id } = await seeded();
  eu.from('us').hold();
  us.from('eu').hold();
  ap.from('us').hold();
  await us.sql.query(`UPDATE items SET a = 'earlier' WHERE id = $1`, [id]);
  await pause(2);
  await eu.sql.query(`UPDATE items SET a = 'later' WHERE id = $1`, [id]);
  eu.from('us').release();
  us.from('eu').release();
  // Everybody has eu's write; ap has not us's, which therefore stays unstable.
  await eventually('eu is captured', () => (eu.status()?.unpublishedBytes ?? 1) === 0);
  const stable = eu.status()?.captured ?? 0;
  await eventually('the checkpoint covers the later write', async () => {
    const text = 'SELECT stable FROM everywrite.checkpoint';
    const { rows } = await eu.sql.query<{ stable: string }>(text);
    const [, sequence = '0'] = /eu\.1:(\d+)/.exec(rows[0]?.stable ?? '') ?? [];
    return Number(sequence) >= stable;
  });
  await eu.stop();
  await eu.start();
  // No row version is known yet, so this takes the slow path, which projects the whole row.
  await us.sql.query(`UPDATE items SET b = 'b1' WHERE id = $1`, [id]);
  await eventually('eu has it', async () => {
    return JSON.stringify(await rowAt(eu, id)).includes('b1');
  });
  expect(await rowAt(eu, id)).toEqual({ a: 'later', b: 'b1' });
  ap.from('us').release();
  await regions().converge();
});

async function seededAt(region: TestRegion): Promise<number> {
  const id = ++lastId;
  await region.sql.query(`INSERT INTO items VALUES ($1, 'a0', 'b0')`, [id]);
  return id;
}
