import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { examineDatabase } from '#replicator/pg/doctor.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import {
  POSTGRES_15,
  configOf,
  hasPostgres15,
  scratchDatabase,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

function find(checks: readonly Check[], id: string): Check {
  return must(
    checks.find((check) => check.id === id),
    `check ${id}`,
  );
}

function failures(checks: readonly Check[]): readonly string[] {
  return checks.filter((check) => check.status === 'fail').map((check) => check.id);
}

const versions = [
  { version: '18', binDir: undefined, present: true },
  { version: '15', binDir: POSTGRES_15, present: hasPostgres15 },
];

describe.each(versions)('PostgreSQL $version', ({ version, binDir, present }) => {
  let scratch: ScratchServer;

  beforeAll(async () => {
    const settings = { max_prepared_transactions: '4' };
    if (present)
      scratch = await scratchServer(binDir === undefined ? { settings } : { binDir, settings });
  });
  afterAll(async () => {
    await scratch?.[Symbol.asyncDispose]();
  });

  test.skipIf(!present)('nothing prepared yet: says so, and everything else', async () => {
    await using database = await scratchDatabase(
      scratch,
      'bare',
      'CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE keyless (note text);',
    );
    const { config, region } = configOf(database);
    const checks = await examineDatabase(config, region);
    expect(failures(checks)).toEqual(['region', 'slot']);
    expect(find(checks, 'region').fix).toBe('run "everywrite init"');
    expect(find(checks, 'table-left-out').found).toContain('public.keyless has no primary key');
    expect(find(checks, 'max-slot-wal-keep-size').status).toBe('warn');
    expect(find(checks, 'server-version').status).toBe(version === '18' ? 'ok' : 'warn');
    expect(find(checks, 'walsender').status).toBe('ok');
  });

  test.skipIf(!present)(
    'a prepared region is well, and stops being so when somebody changes it',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'changed',
        `CREATE TABLE t (id serial PRIMARY KEY, n int);
       CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id);
       CREATE TABLE p1 PARTITION OF p DEFAULT;`,
      );
      const { config, region } = configOf(database);
      await prepareRegion(config, region);
      expect(failures(await examineDatabase(config, region))).toEqual([]);

      await database.rows('ALTER TABLE p1 REPLICA IDENTITY DEFAULT');
      await database.rows('CREATE TABLE late (id int PRIMARY KEY)');
      await database.rows("ALTER PUBLICATION everywrite SET (publish = 'insert')");
      await database.rows('ALTER SEQUENCE t_id_seq INCREMENT BY 1');
      const checks = await examineDatabase(config, region);
      expect(failures(checks)).toEqual(['publication', 'replica-identity', 'sequences']);
      expect(find(checks, 'publication').found).toContain('update is not published');
      expect(find(checks, 'publication').found).toContain('public.late is not in it');
      expect(find(checks, 'replica-identity').fix).toContain('"public"."p1" REPLICA IDENTITY FULL');

      await prepareRegion(config, region);
      expect(failures(await examineDatabase(config, region))).toEqual([]);
    },
  );

  test.skipIf(!present)('a promoted, restored or wrong database is told apart', async () => {
    await using database = await scratchDatabase(
      scratch,
      'epoch',
      'CREATE TABLE t (id int PRIMARY KEY)',
    );
    const { config, region } = configOf(database);
    await prepareRegion(config, region);
    const other = configOf(database, {}, 'us');
    expect(find(await examineDatabase(other.config, other.region), 'region')).toMatchObject({
      status: 'fail',
      found: 'DATABASE_NOT_PREPARED',
    });
    await database.rows('UPDATE everywrite.region SET timeline = timeline + 1');
    const check = find(await examineDatabase(config, region), 'region');
    expect(check).toMatchObject({ status: 'fail', found: 'EPOCH_CHANGED' });
    await database.rows("SELECT pg_drop_replication_slot('everywrite_epoch')");
    expect(find(await examineDatabase(config, region), 'slot').found).toContain(
      'was here and is gone',
    );
  });

  test.skipIf(!present)(
    'missing rights come with the statements that grant them, and they work',
    async () => {
      await using database = await scratchDatabase(
        scratch,
        'granted',
        `CREATE ROLE plainer LOGIN;
       CREATE TABLE parent (id int PRIMARY KEY);
       CREATE TABLE child (id int PRIMARY KEY REFERENCES parent);
       ALTER TABLE parent OWNER TO plainer;
       ALTER TABLE child ENABLE ROW LEVEL SECURITY;
       REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text${version === '18' ? ', boolean' : ''}) FROM PUBLIC;`,
      );
      const { config, region } = configOf({
        name: 'granted',
        url: database.url.replace('postgres@', 'plainer@'),
      });
      const checks = await examineDatabase(config, region);
      expect(new Set(failures(checks))).toEqual(
        new Set([
          'role-replication',
          'role-create',
          'role-emit-message',
          'walsender',
          'table-owner',
          'row-security',
          'session-replication-role',
          'region',
          'slot',
        ]),
      );
      expect(find(checks, 'session-replication-role').found).toContain(
        'public.child, public.parent',
      );
      for (const check of checks) {
        if (check.fix === null || !/^(role-|table-owner|row-|session-)/.test(check.id)) continue;
        for (const statement of check.fix.replace('as a superuser: ', '').split(';')) {
          if (statement.trim() !== '') await database.rows(statement);
        }
      }
      const granted = await examineDatabase(config, region);
      // The owner of `child` is postgres, whose role plainer is a member of now, so its rows show.
      expect(failures(granted)).toEqual(['region', 'slot']);
      expect(find(granted, 'role-origin').status).toBe('ok');
      await prepareRegion(config, region);
      expect(failures(await examineDatabase(config, region))).toEqual([]);
    },
  );

  test.skipIf(!present)('an old transaction and a forgotten prepared one are named', async () => {
    await using database = await scratchDatabase(
      scratch,
      'activity',
      'CREATE TABLE t (id int PRIMARY KEY)',
    );
    const writer = new pg.Client({ connectionString: database.url });
    await writer.connect();
    try {
      await writer.query('BEGIN; INSERT INTO t VALUES (1)');
      await database.rows("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s';");
      await sleep(10);
      const { config, region } = configOf(database);
      const checks = await examineDatabase(config, region);
      expect(find(checks, 'oldest-transaction')).toMatchObject({
        status: 'ok',
        found: expect.stringMatching(/^process \d+ .* since \d s$/),
      });
      expect(find(checks, 'prepared-transactions').status).toBe('ok');
    } finally {
      await database.rows("ROLLBACK PREPARED 'it''s'");
      await writer.end();
    }
  });
});

test('an unreachable database and a server without logical WAL are findings', async () => {
  await using scratch = await scratchServer({
    settings: { wal_level: 'replica', wal_sender_timeout: '0', deadlock_timeout: '30ms' },
  });
  await using database = await scratchDatabase(
    scratch,
    'level',
    'CREATE TABLE t (id int PRIMARY KEY)',
  );
  const { config, region } = configOf(database);
  const checks = await examineDatabase(config, region);
  expect(find(checks, 'wal-level')).toMatchObject({ status: 'fail', found: 'wal_level = replica' });
  expect(find(checks, 'wal-sender-timeout').status).toBe('warn');
  expect(find(checks, 'deadlock-timeout').status).toBe('fail');
  await scratch.server.stop('immediate');
  expect(await examineDatabase(config, region)).toMatchObject([{ id: 'database', status: 'fail' }]);
});
