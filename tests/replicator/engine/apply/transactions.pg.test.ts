import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Whole transactions, in causal order, meaning in every region what the SQL meant.

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, a text, b text);
    CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
    INSERT INTO accounts SELECT g, 100 FROM generate_series(1, 4) g;
    CREATE TABLE codes (id int PRIMARY KEY, code text UNIQUE, note text);
    CREATE TABLE documents (id int PRIMARY KEY, body text, title text);
    ALTER TABLE documents ALTER COLUMN body SET STORAGE EXTERNAL;
    CREATE TABLE parents (id int PRIMARY KEY);
    CREATE TABLE children (id int PRIMARY KEY,
      parent int REFERENCES parents ON DELETE CASCADE DEFERRABLE);
    CREATE TABLE audit (id text PRIMARY KEY);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO audit VALUES (TG_OP || NEW.id || '-' || pg_backend_pid()); RETURN NEW; END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON parents FOR EACH ROW EXECUTE FUNCTION audit();`,
  replication: { fenceTimeoutMs: 20_000 },
});
afterEach(async () => regions().letGo());

function three(): { readonly eu: TestRegion; readonly us: TestRegion; readonly ap: TestRegion } {
  return { eu: regions().region('eu'), us: regions().region('us'), ap: regions().region('ap') };
}

async function rowsOf(region: TestRegion, query: string): Promise<readonly unknown[]> {
  return (await region.sql.query<Record<string, unknown>>(query)).rows;
}

/** Holds what eu and us write apart, lets both write, and brings everything together. */
async function apart(inEu: string, inUs: string): Promise<void> {
  const { eu, us } = three();
  await regions().settle();
  eu.from('us').hold();
  us.from('eu').hold();
  await eu.sql.query(inEu);
  await pause(2);
  await us.sql.query(inUs);
  eu.from('us').release();
  us.from('eu').release();
  await regions().converge();
}

test('a reader never sees half of a transaction', async () => {
  const { eu, us } = three();
  const endMs = performance.now() + 1500;
  const writer = await us.client();
  const reader = await eu.client();
  const sums = new Set<number>();
  const write = async (): Promise<void> => {
    for (let round = 0; performance.now() < endMs; round++) {
      const [from, to] = [1 + (round % 4), 1 + ((round + 1) % 4)];
      await writer.query(`BEGIN; UPDATE accounts SET balance = balance - 7 WHERE id = ${from};
        UPDATE accounts SET balance = balance + 7 WHERE id = ${to}; COMMIT`);
    }
  };
  const read = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      let sum = 0;
      for (let id = 1; id <= 4; id++) {
        const { rows } = await reader.query<{ balance: number }>(
          'SELECT balance FROM accounts WHERE id = $1',
          [id],
        );
        sum += rows[0]?.balance ?? 0;
      }
      await reader.query('COMMIT');
      sums.add(sum);
    }
  };
  await Promise.all([write(), read()]);
  expect([...sums]).toEqual([400]);
  await regions().converge();
});

test('what depends on another region’s write waits for it, over whichever link it comes', async () => {
  const { eu, us, ap } = three();
  ap.from('eu').hold();
  await eu.sql.query(`INSERT INTO items VALUES (1, 'cause', NULL)`);
  await eventually('us has seen the cause', async () => {
    return (await rowsOf(us, 'SELECT FROM items WHERE id = 1')).length === 1;
  });
  const sequence = us.status()?.captured ?? 0;
  await us.sql.query(`INSERT INTO items VALUES (2, 'effect', NULL)`);
  await eventually('the effect is in ap’s inbox', () => {
    return (ap.status()?.origins['us']?.received ?? 0) > sequence;
  });
  await pause(100);
  expect(await rowsOf(ap, 'SELECT id FROM items WHERE id IN (1, 2)')).toEqual([]);
  ap.from('eu').release();
  await regions().converge();
  expect(await rowsOf(ap, 'SELECT id FROM items WHERE id IN (1, 2) ORDER BY id')).toEqual([
    { id: 1 },
    { id: 2 },
  ]);
});

test('a log reaches a region over a third one', async () => {
  const { eu, us, ap } = three();
  const links = [regions().cluster.link('ap', 'eu'), regions().cluster.link('eu', 'ap')];
  for (const link of links) link.cut('reset');
  await eu.sql.query(`INSERT INTO items VALUES (3, 'relayed', NULL)`);
  await eventually('ap has it from us', async () => {
    return (await rowsOf(ap, 'SELECT FROM items WHERE id = 3')).length === 1;
  });
  expect(ap.status()?.origins['eu']?.source).toBe('us');
  expect(us.status()?.error ?? null).toBeNull();
  for (const link of links) link.heal();
  await regions().converge();
});

test('two unique values change places through a temporary one', async () => {
  const { eu, us } = three();
  await eu.sql.query(`INSERT INTO codes VALUES (1, 'K1', 'n'), (2, 'K2', 'n')`);
  await regions().settle();
  await eu.sql.query(`BEGIN; UPDATE codes SET code = 'tmp' WHERE id = 1;
    UPDATE codes SET code = 'K1' WHERE id = 2; UPDATE codes SET code = 'K2' WHERE id = 1; COMMIT`);
  await regions().converge();
  expect(us.status()?.quarantined).toBe(0);
  expect(await rowsOf(us, 'SELECT id, code FROM codes WHERE id < 3 ORDER BY id')).toEqual([
    { id: 1, code: 'K2' },
    { id: 2, code: 'K1' },
  ]);
});

test('a unique value that one row releases can be taken by another in the same batch', async () => {
  const { eu, us } = three();
  await eu.sql.query(`INSERT INTO codes VALUES (3, 'A', 'n'), (4, 'B', 'n'), (5, 'C', 'n')`);
  await regions().settle();
  us.from('eu').hold();
  await eu.sql.query(`DELETE FROM codes WHERE id = 3`);
  await eu.sql.query(`INSERT INTO codes VALUES (6, 'A', 'taken after a delete')`);
  await eu.sql.query(`UPDATE codes SET code = 'D' WHERE id = 4`);
  await eu.sql.query(`UPDATE codes SET code = 'B' WHERE id = 5`);
  await eu.sql.query(`INSERT INTO codes VALUES (7, 'C', 'taken after an update')`);
  us.from('eu').release();
  await regions().converge();
  for (const region of regions().all) expect(region.status()?.quarantined).toBe(0);
});

test('a primary key that changes is a delete and a whole insert', async () => {
  const { eu } = three();
  await eu.sql.query(`INSERT INTO items VALUES (10, 'moves', 'b')`);
  await apart(
    'UPDATE items SET id = 11 WHERE id = 10',
    `UPDATE items SET b = 'changed' WHERE id = 10`,
  );
  // The later update of the old key brings it back; the new one is a row of its own.
  expect(await rowsOf(eu, 'SELECT * FROM items WHERE id IN (10, 11) ORDER BY id')).toEqual([
    { id: 10, a: 'moves', b: 'changed' },
    { id: 11, a: 'moves', b: 'b' },
  ]);
});

test('a large value that nobody touched survives a concurrent update of another column', async () => {
  const { eu, us } = three();
  await eu.sql.query(`INSERT INTO documents VALUES (1, repeat('x', 100000), 'first')`);
  await apart(
    `UPDATE documents SET title = 'second' WHERE id = 1`,
    `UPDATE documents SET body = repeat('y', 100001) WHERE id = 1`,
  );
  const query = `SELECT length(body) AS length, left(body, 1) AS first, title FROM documents`;
  expect(await rowsOf(eu, query)).toEqual([{ length: 100001, first: 'y', title: 'second' }]);
  await apart(
    `UPDATE documents SET title = 'third' WHERE id = 1`,
    'DELETE FROM documents WHERE id = 1',
  );
  await us.sql.query(`INSERT INTO documents VALUES (2, repeat('z', 100000), NULL)`);
  await apart(
    'DELETE FROM documents WHERE id = 2',
    `UPDATE documents SET title = 'brought back' WHERE id = 2`,
  );
  expect(await rowsOf(eu, query)).toEqual([{ length: 100000, first: 'z', title: 'brought back' }]);
});

test('NULL is a value: it wins and loses like any other', async () => {
  const { eu } = three();
  await eu.sql.query(`INSERT INTO items VALUES (20, 'a', 'b'), (21, NULL, NULL)`);
  await apart(
    `UPDATE items SET a = NULL WHERE id = 20; UPDATE items SET a = 'set', b = 'set' WHERE id = 21`,
    `UPDATE items SET a = 'kept' WHERE id = 20; UPDATE items SET b = '' WHERE id = 21`,
  );
  await apart(`UPDATE items SET a = 'x' WHERE id = 20`, `UPDATE items SET a = NULL WHERE id = 20`);
  expect(await rowsOf(eu, 'SELECT * FROM items WHERE id IN (20, 21) ORDER BY id')).toEqual([
    { id: 20, a: null, b: 'b' },
    { id: 21, a: 'set', b: '' },
  ]);
});

test('triggers are silent on apply, and foreign keys act once for all regions', async () => {
  const { eu } = three();
  await eu.sql.query(`INSERT INTO parents VALUES (1)`);
  await eu.sql.query(`INSERT INTO children VALUES (1, 1)`);
  // us’s child refers to the parent that eu deletes with its own children.
  await apart('DELETE FROM parents WHERE id = 1', 'INSERT INTO children VALUES (2, 1)');
  // Nothing fired when the delete was applied; what the key says is done as a write of its own, later.
  await eventually('the orphan goes, everywhere', async () => {
    const left = await Promise.all(
      regions().all.map((region) => rowsOf(region, 'SELECT FROM children')),
    );
    return left.every((rows) => rows.length === 0);
  });
  // The trigger ran once, where the parent was inserted; its row came along as any other.
  for (const region of regions().all) {
    expect(await rowsOf(region, 'SELECT FROM audit')).toHaveLength(1);
  }
});
