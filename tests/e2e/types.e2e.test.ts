import { expect, test } from 'vitest';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged, publishedTables } from '#tests/support/chaos-compare.ts';
import { TYPES_SCHEMA, TYPED_VALUES } from '#tests/support/chaos-types.ts';

const chaos = withCluster({
  cluster: 'types',
  regions: ['eu', 'us'],
  schema: TYPES_SCHEMA,
  // A role's settings must not change what travels.
  postgresSettings: { DateStyle: 'SQL, DMY', IntervalStyle: 'iso_8601', TimeZone: 'Asia/Tokyo' },
});

test('every value of every type arrives as it was written, by insert, update and delete', async () => {
  const { cluster } = chaos;
  const values = Object.entries(TYPED_VALUES).flatMap(([column, literals]) =>
    literals.map((literal) => ({ column, literal })),
  );
  const inserts = values.map(
    ({ column, literal }, id) =>
      `INSERT INTO every_type (id, ${column}) VALUES (${id}, ${literal});`,
  );
  await cluster.query('eu', inserts.join('\n'));
  await expectConverged(cluster);
  await expectTextsEqual('every_type');

  // Each value replaces the one before it, so that every one travels as an update too.
  const updates = values.map(
    ({ column, literal }, id) =>
      `UPDATE every_type SET ${column} = ${literal}, note = 'updated' WHERE id = ${(id + 1) % values.length};`,
  );
  await cluster.query('us', updates.join('\n'));
  await expectConverged(cluster);
  await expectTextsEqual('every_type');

  await cluster.query('eu', 'DELETE FROM every_type WHERE id % 2 = 0');
  await expectConverged(cluster);
  const [left] = await cluster.query('us', 'SELECT count(*)::text AS n FROM every_type');
  expect(left?.['n']).toBe(String(Math.floor(values.length / 2)));
});

test('a value too long to stay in its row is not lost when another column changes', async () => {
  const { cluster } = chaos;
  await cluster.query(
    'eu',
    `INSERT INTO every_type (id, c_text, c_bytea)
     SELECT 5001, string_agg(md5(g::text), ''), decode(string_agg(md5((g + 7)::text), ''), 'hex')
     FROM generate_series(1, 30000) g`,
  );
  await expectConverged(cluster);
  await cluster.query('us', "UPDATE every_type SET note = 'touched' WHERE id = 5001");
  await expectConverged(cluster);
  await cluster.query(
    'eu',
    "UPDATE every_type SET c_text = c_text || '!', note = NULL WHERE id = 5001",
  );
  await expectConverged(cluster);
  const [row] = await cluster.query(
    'us',
    'SELECT length(c_text)::text AS n FROM every_type WHERE id = 5001',
  );
  expect(row?.['n']).toBe('960001');
});

test('keys of several columns and types find their rows', async () => {
  const { cluster } = chaos;
  await cluster.query(
    'eu',
    `INSERT INTO composite_key VALUES (1, 'a', DATE '2020-02-29', 'x'), (1, 'a|b', DATE '2020-02-29', 'y'),
       (-1, E'quote'' \\\\ tab\\t', DATE '0044-03-15 BC', 'z'), (2, '', DATE 'infinity', 'empty');
     INSERT INTO uuid_key VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1);
     INSERT INTO numeric_key VALUES (1.0, 'one'), (1e40, 'much'), (-0.000001, 'little'), ('NaN', 'none');
     INSERT INTO text_key VALUES (E'line\\nbreak', 1), ('ünï çødé ☃ 🐘', 2), (repeat('long', 500), 3);
     INSERT INTO enum_key VALUES ('sad', 1), ('it''s, "so"', 2);
     INSERT INTO time_key VALUES ('2024-01-01 00:00:00.000001+09', 1), ('infinity', 2), ('0001-01-01 00:00:00 BC', 3);
     INSERT INTO char_key VALUES ('ab', 1), ('', 2);
     INSERT INTO bytea_key VALUES ('\\x00ff5c', 1), ('', 2);`,
  );
  await expectConverged(cluster);
  await cluster.query(
    'us',
    `UPDATE composite_key SET v = v || '!'; UPDATE uuid_key SET v = v + 1; UPDATE numeric_key SET v = v || '!';
     UPDATE text_key SET v = v + 1; UPDATE enum_key SET v = v + 1; UPDATE time_key SET v = v + 1;
     UPDATE char_key SET v = v + 1; UPDATE bytea_key SET v = v + 1;`,
  );
  await expectConverged(cluster);
  // The key itself changes: a delete and an insert elsewhere.
  await cluster.query(
    'eu',
    `UPDATE composite_key SET b = b || '2' WHERE a = 1; UPDATE numeric_key SET k = k * 2;
     DELETE FROM text_key WHERE v <> 3; DELETE FROM char_key; DELETE FROM time_key WHERE v = 3;`,
  );
  await expectConverged(cluster);
  const [row] = await cluster.query('us', `SELECT k::text FROM numeric_key WHERE v = 'one!'`);
  expect(row?.['k']).toBe('2.0');
});

test('names may be anything, and a partitioned table moves rows between its partitions', async () => {
  const { cluster } = chaos;
  const odd = '"Odd ""schema"" é"."Täble, with.dot 🐘"';
  await cluster.query(
    'eu',
    `INSERT INTO ${odd} ("the key", "Select", "quote""d") VALUES (1, 'one', 'x'), (2, 'two', NULL);
     INSERT INTO same_name VALUES (1, 'public'); INSERT INTO other.same_name VALUES (1, 'other');
     INSERT INTO measurements SELECT g, DATE '2024-01-01' + (g % 60), g FROM generate_series(1, 200) g;
     INSERT INTO counted (label) VALUES ('a'), ('b');`,
  );
  await expectConverged(cluster);
  await cluster.query(
    'us',
    `UPDATE ${odd} SET "Select" = "Select" || '!', "quote""d" = 'y'; DELETE FROM ${odd} WHERE "the key" = 2;
     UPDATE other.same_name SET v = 'still other';
     UPDATE measurements SET at = DATE '2024-02-15', v = v + 1 WHERE id % 3 = 0;
     DELETE FROM measurements WHERE id % 7 = 0;
     INSERT INTO counted (label) VALUES ('c');`,
  );
  await expectConverged(cluster);
  const [moved] = await cluster.query('eu', 'SELECT count(*)::text AS n FROM ONLY measurements_02');
  expect(Number(moved?.['n'])).toBeGreaterThan(50);
  const [striped] = await cluster.query(
    'eu',
    'SELECT count(DISTINCT id)::text AS n, count(*)::text AS all FROM counted',
  );
  expect(striped).toEqual({ n: '3', all: '3' });
  const published = await publishedTables(cluster, 'eu');
  expect(published).toContain(odd);
});

test('a generated column is computed where the row arrives', async () => {
  const { cluster } = chaos;
  await cluster.query('eu', 'INSERT INTO computed (id, price, amount) VALUES (1, 2.50, 4)');
  await expectConverged(cluster);
  await cluster.query('us', 'UPDATE computed SET amount = 5 WHERE id = 1');
  await expectConverged(cluster);
  const [row] = await cluster.query('eu', 'SELECT total::text FROM computed');
  expect(row?.['total']).toBe('12.50');
});

/** Column by column and as text under one session's settings: `t::text` alone could hide a difference. */
async function expectTextsEqual(table: string): Promise<void> {
  const columns = Object.keys(TYPED_VALUES);
  const select = columns.map((column) => `${column}::text AS ${column}`).join(', ');
  const [eu, us] = await Promise.all(
    ['eu', 'us'].map((region) =>
      chaos.cluster.query(region, `SELECT id, note, ${select} FROM ${table} ORDER BY id`),
    ),
  );
  expect(us).toEqual(eu);
  expect(eu?.length).toBeGreaterThan(100);
}
