import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import type { PrepareReport } from '#replicator/pg/prepare-report.ts';
import {
  POSTGRES_15,
  configOf,
  hasPostgres15,
  scratchDatabase,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

const CHINOOK = join(import.meta.dirname, '../../../../shared/data/chinook.sql');

const PUBLISHED = `SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables
  WHERE pubname = 'everywrite' ORDER BY 1`;

function outcomes(report: PrepareReport): readonly string[] {
  return report.actions.map((action) => `${action.outcome} ${action.step} ${action.target}`);
}

const versions = [
  { version: '18', binDir: undefined, present: true },
  { version: '15', binDir: POSTGRES_15, present: hasPostgres15 },
];

describe.each(versions)('PostgreSQL $version', ({ version, binDir, present }) => {
  let scratch: ScratchServer;

  beforeAll(async () => {
    if (present) scratch = await scratchServer(binDir === undefined ? {} : { binDir });
  });
  afterAll(async () => {
    await scratch?.[Symbol.asyncDispose]();
  });

  test.skipIf(!present)('prepares a database, and a second time changes nothing', async () => {
    await using database = await scratchDatabase(
      scratch,
      'first',
      `CREATE TABLE account (id bigserial PRIMARY KEY, owner text, balance numeric(12,2));
       INSERT INTO account (owner, balance) VALUES ('a', 1), ('b', 2);
       COMMENT ON COLUMN account.balance IS 'Money. @everywrite counter';`,
    );
    const { config, region } = configOf(database);
    const first = await prepareRegion(config, region);
    expect(first).toMatchObject({
      cluster: 'first',
      region: 'eu',
      epoch: 1,
      slot: 'everywrite_first',
      settings: 1,
      tables: ['public.account'],
      leftOut: [],
    });
    expect(outcomes(first)).toEqual([
      'done schema everywrite',
      'done replica-identity public.account',
      'done settings everywrite.settings 1',
      'done publication everywrite',
      'done sequence public.account_id_seq',
      'done region eu of first',
      'done slot everywrite_first',
    ]);
    const second = await prepareRegion(config, region);
    expect(second.actions.filter((action) => action.outcome !== 'unchanged')).toEqual([]);
    expect(second).toMatchObject({ settings: 1, epoch: 1, tables: first.tables });

    const [settings] = await database.rows('SELECT value FROM everywrite.settings');
    expect(JSON.parse(String(settings?.['value']))).toEqual({
      id: 1,
      clockOffsetUs: 0,
      tables: { 'public.account': { key: ['id'], columns: { balance: 'counter' }, generated: [] } },
    });
    const published = (await database.rows(PUBLISHED)).map((row) => row['name']);
    expect(published).toEqual(['everywrite.applied', 'everywrite.settings', 'public.account']);
    const [slot] = await database.rows(
      "SELECT plugin, temporary FROM pg_replication_slots WHERE slot_name = 'everywrite_first'",
    );
    expect(slot).toEqual({ plugin: 'pgoutput', temporary: false });
  });

  test.skipIf(!present)('settings reach the WAL before the slot, changes after it', async () => {
    await using database = await scratchDatabase(
      scratch,
      'order',
      'CREATE TABLE t (id int PRIMARY KEY, n int)',
    );
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    const changes = `SELECT count(*)::int AS n FROM pg_logical_slot_peek_binary_changes(
      'everywrite_order', NULL, NULL, 'proto_version', '1', 'publication_names', 'everywrite')`;
    expect(await database.rows(changes)).toEqual([{ n: 0 }]);
    await prepareRegion(
      configOf(database, { columns: { 'public.t.n': 'counter' } }).config,
      region,
    );
    const [after] = await database.rows(changes);
    expect(after?.['n']).toBeGreaterThan(0);
    const [row] = await database.rows('SELECT initial_settings::int AS id FROM everywrite.region');
    expect(row).toEqual({ id: 1 });
    const [newest] = await database.rows('SELECT max(id)::int AS id FROM everywrite.settings');
    expect(newest).toEqual({ id: 2 });
  });

  test.skipIf(!present)(
    'tables that cannot be replicated are left out by name, with the fix',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'leftout',
        `CREATE TABLE good (id uuid PRIMARY KEY);
       CREATE TABLE keyless (id int, note text);
       CREATE TABLE nothing (note text);
       CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
       CREATE TABLE later (id int PRIMARY KEY DEFERRABLE);
       CREATE TABLE spans (span interval PRIMARY KEY);
       CREATE TABLE parent (id int PRIMARY KEY);
       CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
       CREATE TABLE secret (id int PRIMARY KEY);
       CREATE TEMP TABLE scratch (id int PRIMARY KEY);`,
      );
      const { config, region } = configOf(database, { tables: { exclude: ['public.secret'] } });
      const report = await prepareRegion(config, region);
      expect(report.tables).toEqual(['public.child', 'public.good']);
      const byName = new Map(report.leftOut.map((entry) => [entry.table, entry]));
      expect([...byName.keys()]).toEqual([
        'public.cache',
        'public.keyless',
        'public.later',
        'public.nothing',
        'public.parent',
        'public.spans',
      ]);
      expect(byName.get('public.keyless')?.fix).toBe(
        'ALTER TABLE "public"."keyless" ADD PRIMARY KEY ("id");',
      );
      await database.rows(must(byName.get('public.keyless'), 'keyless').fix);
      await database.rows(must(byName.get('public.nothing'), 'nothing').fix);
      await database.rows(must(byName.get('public.cache'), 'cache').fix);
      await database.rows(must(byName.get('public.later'), 'later').fix);
      const fixed = await prepareRegion(config, region);
      expect(fixed.tables).toEqual(
        ['cache', 'child', 'good', 'keyless', 'later', 'nothing'].map((name) => `public.${name}`),
      );
      expect(fixed.settings).toBe(2);
    },
  );

  test.skipIf(!present)(
    'quoted and unicode names, partitions, generated and identity columns',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'names',
        `CREATE SCHEMA "Größe.x";
       CREATE TABLE "Größe.x"."O'Brien ""T""" ("Schlüssel" text PRIMARY KEY, "näme\\" int);
       CREATE TABLE metric (day date, id int GENERATED ALWAYS AS IDENTITY, v int, PRIMARY KEY (day, id))
         PARTITION BY RANGE (day);
       CREATE TABLE metric_1 PARTITION OF metric FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
         PARTITION BY LIST (id);
       CREATE TABLE metric_1_a PARTITION OF metric_1 DEFAULT;
       CREATE TABLE priced (id int PRIMARY KEY, net int, gross int GENERATED ALWAYS AS (net * 2) STORED);
       INSERT INTO priced VALUES (1, 1);`,
      );
      const { config, region } = configOf(
        database,
        {
          columns: {
            '"Größe.x"."O\'Brien ""T"""."näme\\"': 'counter',
            'public.metric.v': 'counter',
          },
        },
        'us',
      );
      const report = await prepareRegion(config, region);
      expect(report.leftOut).toEqual([]);
      expect(report.tables).toEqual([`Größe.x.O'Brien "T"`, 'public.metric', 'public.priced']);
      const identities = await database.rows(
        "SELECT relname, relreplident FROM pg_class WHERE relname LIKE 'metric%' AND relkind IN ('r', 'p') ORDER BY 1",
      );
      expect(identities.map((row) => row['relreplident'])).toEqual(['f', 'f', 'f']);
      // The server refuses these where a replica identity or a publication is not as it must be.
      await database.rows('UPDATE priced SET net = 3');
      await database.rows(
        "INSERT INTO metric (day, v) VALUES ('2026-01-05', 1), ('2026-01-06', 1)",
      );
      await database.rows('UPDATE metric SET v = 2');
      const ids = (await database.rows('SELECT id FROM metric ORDER BY 1')).map((row) => row['id']);
      expect(ids).toEqual([1, 17]);
      const second = await prepareRegion(config, region);
      expect(second.actions.filter((action) => action.outcome !== 'unchanged')).toEqual([]);
    },
  );

  test.skipIf(!present)(
    'sequences of all kinds are striped, forward only, each region its residue',
    async () => {
      const sql = `
      CREATE TABLE a (id serial PRIMARY KEY);
      INSERT INTO a SELECT FROM generate_series(1, 40);
      CREATE TABLE b (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
      INSERT INTO b VALUES (1000);
      CREATE SEQUENCE shared_seq;
      CREATE TABLE c (id int PRIMARY KEY DEFAULT nextval('shared_seq'));
      CREATE TABLE d (id int PRIMARY KEY DEFAULT nextval('shared_seq'));
      INSERT INTO d VALUES (70);
      CREATE TABLE down (id int PRIMARY KEY);
      CREATE SEQUENCE down_seq INCREMENT -1 OWNED BY down.id;
      CREATE TABLE small (id smallserial PRIMARY KEY);
      INSERT INTO small VALUES (32767);`;
      await using database = await scratchDatabase(scratch, 'sequences', sql);
      const { config, region } = configOf(database, {}, 'ap');
      const report = await prepareRegion(config, region);
      const refused = report.actions.filter((action) => action.outcome === 'refused');
      expect(refused.map((action) => action.target)).toEqual([
        'public.down_seq',
        'public.small_id_seq',
      ]);
      const next = async (table: string): Promise<unknown> =>
        (await database.rows(`INSERT INTO ${table} DEFAULT VALUES RETURNING id::int`))[0]?.['id'];
      expect([await next('a'), await next('a')]).toEqual([50, 66]);
      expect([await next('b'), await next('b')]).toEqual([1010, 1026]);
      expect([await next('c'), await next('d')]).toEqual([82, 98]);
    },
  );

  test.skipIf(!present)('a database belongs to one region of one cluster', async () => {
    await using database = await scratchDatabase(
      scratch,
      'owner',
      'CREATE TABLE t (id int PRIMARY KEY)',
    );
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    const other = configOf(database, {}, 'us');
    await expect(prepareRegion(other.config, other.region)).rejects.toMatchObject({
      code: 'DATABASE_NOT_PREPARED',
      message: expect.stringContaining('is region "eu" of cluster "owner" already, not "us"'),
    });
    const renamed = configOf({ ...database, name: 'other' });
    await expect(prepareRegion(renamed.config, renamed.region)).rejects.toThrow(
      'not "eu" of "other"',
    );
    const reordered = configOf(database, { replication: { sequenceStride: 8 } });
    await expect(prepareRegion(reordered.config, reordered.region)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
    await database.rows('UPDATE everywrite.region SET system_identifier = 1');
    await expect(prepareRegion(config, region)).rejects.toMatchObject({ code: 'EPOCH_CHANGED' });
  });

  test.skipIf(!present)('two inits at once: one does it, the other finds it done', async () => {
    await using database = await scratchDatabase(
      scratch,
      'twice',
      'CREATE TABLE t (id serial PRIMARY KEY)',
    );
    const { config, region } = configOf(database);
    const reports = await Promise.all([
      prepareRegion(config, region),
      prepareRegion(config, region),
    ]);
    const changes = reports.map(
      (report) => report.actions.filter((action) => action.outcome === 'done').length,
    );
    expect(changes.toSorted((left, right) => left - right)).toEqual([0, 7]);
  });

  test.skipIf(!present)('a schema that a newer program made is left alone', async () => {
    await using database = await scratchDatabase(scratch, 'newer');
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    await database.rows("INSERT INTO everywrite.migration VALUES (9999, 'from-the-future')");
    await expect(prepareRegion(config, region)).rejects.toThrow('run the newer program');
  });

  test.skipIf(!present)('the marker row is updated in place', async () => {
    await using database = await scratchDatabase(scratch, 'marker');
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    for (let at = 0; at < 200; at += 1) {
      await database.rows('UPDATE everywrite.applied SET vector = $1, hlc = $2', [
        `eu.1:${at}`,
        at,
      ]);
    }
    const [size] = await database.rows(
      "SELECT pg_relation_size('everywrite.applied')::int AS bytes",
    );
    expect(size?.['bytes']).toBeLessThanOrEqual(2 * 8192);
  });

  test.skipIf(version !== '18')('a failover slot, where it is asked for', async () => {
    await using database = await scratchDatabase(scratch, 'failover');
    const { config, region } = configOf(database, { replication: { failoverSlot: true } });
    await prepareRegion(config, region);
    const slots = await database.rows(
      "SELECT failover FROM pg_replication_slots WHERE slot_name = 'everywrite_failover'",
    );
    expect(slots).toEqual([{ failover: true }]);
  });

  test.skipIf(!present)('a slot that was dropped is not silently made again', async () => {
    await using database = await scratchDatabase(
      scratch,
      'dropped',
      'CREATE TABLE t (id int PRIMARY KEY)',
    );
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    await database.rows("SELECT pg_drop_replication_slot('everywrite_dropped')");
    await expect(prepareRegion(config, region)).rejects.toMatchObject({ code: 'SLOT_MISSING' });
  });

  test.skipIf(!present)('an init that ended before its slot goes on where it was', async () => {
    await using database = await scratchDatabase(
      scratch,
      'resumed',
      'CREATE TABLE t (id int PRIMARY KEY, n int)',
    );
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    await database.rows("SELECT pg_drop_replication_slot('everywrite_resumed')");
    await database.rows('UPDATE everywrite.region SET slot_created_at = NULL');
    const typed = configOf(database, { columns: { 'public.t.n': 'counter' } });
    const report = await prepareRegion(typed.config, typed.region);
    expect(outcomes(report)).toContain('done slot everywrite_resumed');
    const [row] = await database.rows('SELECT initial_settings::int AS id FROM everywrite.region');
    expect(row).toEqual({ id: 2 });
  });

  test.skipIf(!present)(
    'column types that do not fit are refused together, and nothing is changed',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'types',
        `CREATE TABLE t (id int PRIMARY KEY, name text, stock int, ratio float8);
       COMMENT ON COLUMN t.stock IS '@everywrite conter';`,
      );
      const { config, region } = configOf(database, {
        columns: {
          'public.t.name': 'counter',
          'public.t.id': 'counter',
          'public.t.ratio': 'counter',
          'public.t.stok': 'counter',
        },
      });
      const failure = await prepareRegion(config, region).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
      const message = String(failure);
      expect(message).toContain('columns.public.t.name cannot be a counter: its type is text');
      expect(message).toContain(
        'columns.public.t.id cannot be a counter: it is part of the primary key',
      );
      expect(message).toContain('columns.public.t.ratio cannot be a counter');
      expect(message).toContain(
        'columns.public.t.stok names no column of this database. Did you mean "public.t.stock"?',
      );
      expect(message).toContain('comment on column public.t.stock is "conter"');
      expect(message).toContain('Did you mean "counter"?');
      const [schema] = await database.rows("SELECT to_regnamespace('everywrite') AS name");
      expect(schema).toEqual({ name: null });
    },
  );

  test.skipIf(!present)('a role without rights is told what to grant', async () => {
    await using database = await scratchDatabase(
      scratch,
      'rights',
      `CREATE TABLE t (id int PRIMARY KEY);
       CREATE ROLE plain LOGIN;
       CREATE ROLE replicating LOGIN REPLICATION;
       GRANT CREATE ON DATABASE rights TO replicating;`,
    );
    const as = (role: string) =>
      configOf({ name: 'rights', url: database.url.replace('postgres@', `${role}@`) });
    const plain = as('plain');
    await expect(prepareRegion(plain.config, plain.region)).rejects.toMatchObject({
      code: 'PRIVILEGE_MISSING',
      message: expect.stringContaining('ALTER ROLE "plain" REPLICATION;'),
    });
    const replicating = as('replicating');
    await expect(prepareRegion(replicating.config, replicating.region)).rejects.toMatchObject({
      code: 'PRIVILEGE_MISSING',
      message: expect.stringContaining('public.t'),
    });
    await database.rows('ALTER TABLE t OWNER TO replicating');
    const report = await prepareRegion(replicating.config, replicating.region);
    expect(report.tables).toEqual(['public.t']);
    const [grants] = await database.rows(
      "SELECT has_schema_privilege('plain', 'everywrite', 'USAGE') AS usage",
    );
    expect(grants).toEqual({ usage: false });
  });

  test.skipIf(!present)('a publication of another shape is corrected', async () => {
    await using database = await scratchDatabase(
      scratch,
      'shape',
      `CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY);
       CREATE PUBLICATION everywrite FOR TABLE a (id) WHERE (id > 5), b WITH (publish = 'insert');`,
    );
    const { config, region } = configOf(database, { tables: { exclude: ['public.b'] } });
    const report = await prepareRegion(config, region);
    const details = report.actions.filter((action) => action.step === 'publication');
    expect(details.map((action) => action.detail).join('; ')).toContain('removed "public"."b"');
    await database.rows('UPDATE a SET n = 1');
    const again = await prepareRegion(config, region);
    expect(again.actions.every((action) => action.outcome === 'unchanged')).toBe(true);
  });

  test.skipIf(!present || !existsSync(CHINOOK))(
    'Chinook, as it is (shared/data/chinook.sql)',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'chinook',
        await readFile(CHINOOK, 'utf8'),
      );
      const { config, region } = configOf(database);
      const report = await prepareRegion(config, region);
      expect(report.tables).toHaveLength(11);
      expect(report.leftOut).toEqual([]);
      const [settings] = await database.rows('SELECT value FROM everywrite.settings');
      const { tables } = JSON.parse(String(settings?.['value'])) as {
        tables: Record<string, unknown>;
      };
      expect(tables['public.playlist_track']).toEqual({
        key: ['playlist_id', 'track_id'],
        columns: {},
        generated: [],
      });
    },
  );

  test.skipIf(version !== '18')('a virtual generated column keeps its table out', async () => {
    await using database = await scratchDatabase(
      scratch,
      'virtual',
      'CREATE TABLE v (id int PRIMARY KEY, net int, gross int GENERATED ALWAYS AS (net * 2) VIRTUAL)',
    );
    const { config, region } = configOf(database);
    const report = await prepareRegion(config, region);
    expect(report.tables).toEqual([]);
    expect(report.leftOut[0]).toMatchObject({
      table: 'public.v',
      reason: expect.stringContaining('gross'),
    });
  });
});

test('wal_level = replica and an unreachable server are said, not stumbled over', async () => {
  await using scratch = await scratchServer({ settings: { wal_level: 'replica' } });
  await using database = await scratchDatabase(
    scratch,
    'level',
    'CREATE TABLE t (id int PRIMARY KEY)',
  );
  const { config, region } = configOf(database);
  await expect(prepareRegion(config, region)).rejects.toMatchObject({
    code: 'WAL_LEVEL',
    message: expect.stringContaining("ALTER SYSTEM SET wal_level = 'logical'"),
  });
  await scratch.server.stop('immediate');
  await expect(prepareRegion(config, region)).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    message: expect.stringContaining(`127.0.0.1:${scratch.server.port}/level`),
  });
});
