import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { Lsn } from '#core/lsn.ts';
import { parseLsn } from '#core/lsn.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';
import {
  hasPostgres15,
  POSTGRES_15,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';
import { streamedDatabase } from '#tests/replicator/pg/streamed-database.ts';
import type {
  Reader,
  StartOptions,
  StreamedDatabase,
} from '#tests/replicator/pg/streamed-database.ts';

const SHORT_TIMEOUT = `DO $$ BEGIN EXECUTE format(
  'ALTER DATABASE %I SET wal_sender_timeout = ''1s''', current_database()); END $$`;

const versions = [
  { version: '18', server: {}, skip: false },
  { version: '15', server: { binDir: POSTGRES_15 }, skip: !hasPostgres15 },
];

describe.each(versions.filter((each) => !each.skip))('PostgreSQL $version', (options) => {
  let server: ScratchServer;
  let databases = 0;

  beforeAll(async () => {
    server = await scratchServer({ ...options.server, settings: { fsync: 'off' } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function database(setUp?: string): Promise<StreamedDatabase> {
    databases += 1;
    const created = await streamedDatabase(server, `stream_${databases}`, setUp);
    onTestFinished(() => created[Symbol.asyncDispose]());
    return created;
  }

  describe('progress', () => {
    test('back to back commits: confirming the first never skips the second', async () => {
      const db = await database();
      const { reader, first, second } = await adjacentCommits(db);
      reader.stream.confirm(first.endLsn);
      await reader.stream.close();
      await db.untilConfirmed(first.endLsn);
      await db.untilIdle();

      const again = await db.start();
      expect((await again.next('begin')).commitLsn).toBe(second.commitLsn);

      // The hazard is real: one byte more, as the library would send, and it is gone.
      again.stream.confirm((first.endLsn + 1) as Lsn);
      await again.stream.close();
      await db.untilIdle();
      await db.rows(`INSERT INTO t VALUES (-1)`);
      const skipped = await db.start();
      expect((await skipped.next('insert')).values[0]).toBe('-1');
    });

    test('a keepalive confirmed while a transaction is open does not lose it', async () => {
      const db = await database();
      const writer = await db.session();
      let touched = false;
      // Only a commit record right at the confirmed position is in danger.
      for (let id = 1; id <= 20 && !touched; id += 1) {
        const reader = await db.start();
        await writer.query(`BEGIN; INSERT INTO t VALUES (${id})`);
        // Somebody else's commit flushes the WAL, so that the walsender gets past the insert.
        await db.rows(`SELECT pg_logical_emit_message(true, 'flush', '')`);
        const { endLsn } = await reader.next('commit');
        const walEnd = await reader.keepalive((end) => end >= endLsn);
        reader.stream.confirm(walEnd);
        await db.untilConfirmed(walEnd);
        await reader.stream.close();
        await db.untilIdle();
        await writer.query('COMMIT');

        const again = await db.start();
        touched = (await again.next('begin')).commitLsn === walEnd;
        expect((await again.next('insert')).values[0]).toBe(String(id));
        again.stream.confirm((await again.next('commit')).endLsn);
        await again.stream.close();
        await db.untilIdle();
      }
      expect(touched).toBe(true);
    });

    test('what was delivered but not confirmed is delivered again', async () => {
      const db = await database();
      const reader = await db.start();
      for (const id of [1, 2, 3]) await db.rows(`INSERT INTO t VALUES (${id})`);
      expect(await reader.insertedIds(3)).toEqual(['1', '2', '3']);
      await db.rows(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
                     WHERE slot_name = '${db.name}'`);
      await expect(reader.next('begin')).rejects.toMatchObject({
        code: 'DATABASE_UNREACHABLE',
        recovery: 'retry',
        sqlState: '57P01',
      });
      await db.untilIdle();
      expect(await (await db.start()).insertedIds(3)).toEqual(['1', '2', '3']);
    });

    test('confirming never moves the slot backwards, in this session or the next', async () => {
      const db = await database();
      const reader = await db.start();
      await db.rows(`INSERT INTO t VALUES (1)`);
      const { commitLsn, endLsn } = await reader.next('commit');
      reader.stream.confirm(endLsn);
      reader.stream.confirm(commitLsn);
      await reader.stream.close();
      await db.untilConfirmed(endLsn);
      await db.untilIdle();
      const again = await db.start();
      again.stream.confirm(commitLsn);
      await again.stream.close();
      await db.untilIdle();
      await db.untilConfirmed(endLsn);
    });

    test('an idle slot is told the present, so that confirming keepalives moves it', async () => {
      const db = await database(SHORT_TIMEOUT);
      const reader = await db.start();
      const other = await db.session();
      await other.query(`CREATE TEMP TABLE unseen AS SELECT generate_series(1, 1000) AS i`);
      const [row] = await db.rows(`SELECT pg_current_wal_flush_lsn()::text AS lsn`);
      const present = parseLsn(String(row?.['lsn']));
      const walEnd = await reader.keepalive((end) => end >= present);
      reader.stream.confirm(walEnd);
      await db.untilConfirmed(walEnd);
    });
  });

  describe('flow', () => {
    test('a consumer slower than wal_sender_timeout keeps its session and gets everything', async () => {
      const db = await database(SHORT_TIMEOUT);
      const reader = await db.start({ maxHeldBytes: 64 * 1024 });
      const pid = await activePid(db);
      for (let id = 0; id < 300; id += 1) {
        await db.rows(`INSERT INTO t VALUES (${id}, repeat('x', 100000))`);
      }
      expect(await reader.insertedIds(1)).toEqual(['0']);
      await sleep(3500);
      // The server was held back: it has sent what fits into socket buffers, not all.
      const held = await db.rows(`SELECT 1 FROM pg_stat_replication
        WHERE application_name = '${db.name}' AND sent_lsn < pg_current_wal_lsn()`);
      expect(held).toHaveLength(1);
      const ids = await reader.insertedIds(299);
      expect(ids).toEqual(Array.from({ length: 299 }, (_, i) => String(i + 1)));
      expect(await activePid(db)).toBe(pid);
    });

    test('a frame stays what it was while later ones arrive', async () => {
      const db = await database();
      const reader = await db.start();
      await db.rows(`INSERT INTO t SELECT i, repeat(chr(97 + i % 26), i % 700)
                     FROM generate_series(1, 20000) i`);
      const kept: { readonly bytes: Uint8Array; readonly arrived: string }[] = [];
      while (kept.length < 20_002) {
        const frame = await reader.frame();
        if (frame.kind !== 'data') continue;
        kept.push({ bytes: frame.bytes, arrived: latin1(frame.bytes) });
      }
      const changed = kept.filter(({ bytes, arrived }) => latin1(bytes) !== arrived);
      expect(changed).toHaveLength(0);
    });

    test('a server that stops answering is given up after wal_sender_timeout', async () => {
      const db = await database(SHORT_TIMEOUT);
      const reader = await db.start();
      const pid = Number(await activePid(db));
      process.kill(pid, 'SIGSTOP');
      try {
        await expect(reader.next('begin')).rejects.toMatchObject({
          code: 'DATABASE_UNREACHABLE',
          recovery: 'retry',
        });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    });

    test('close is prompt while the server pours, and ends the iteration', async () => {
      const db = await database();
      const reader = await db.start({ maxHeldBytes: 64 * 1024 });
      await db.rows(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i`);
      await reader.next('insert');
      const started = performance.now();
      await reader.stream.close();
      // A walsender that pours a transaction does not look at what we say; then the bound of close() counts.
      expect(performance.now() - started).toBeLessThan(1000);
      const rest = reader.stream[Symbol.asyncIterator]();
      expect(await rest.next()).toEqual({ done: true, value: undefined });
      await db.untilIdle();
    });
  });

  describe('contents', () => {
    test('unchanged TOAST is marked, and under FULL the old row carries the value', async () => {
      const db = await database(`ALTER TABLE t ALTER v SET STORAGE EXTERNAL`);
      await db.rows(`INSERT INTO t VALUES (1, repeat('long', 5000))`);
      await db.rows(`UPDATE t SET id = 2`);
      const update = await (await db.start()).next('update');
      expect(update.oldValues).toEqual(['1', 'long'.repeat(5000)]);
      expect(update.values.map(String)).toEqual(['2', 'Symbol(unchanged)']);
    });

    test('a key change under DEFAULT carries the old key only', async () => {
      const db = await database(`ALTER TABLE t REPLICA IDENTITY DEFAULT`);
      await db.rows(`INSERT INTO t VALUES (1, 'a')`);
      await db.rows(`UPDATE t SET id = 2`);
      await db.rows(`UPDATE t SET v = 'b'`);
      const reader = await db.start();
      const key = { oldKey: ['1', null], oldValues: null, values: ['2', 'a'] };
      expect(await reader.next('update')).toMatchObject(key);
      const none = { oldKey: null, oldValues: null, values: ['2', 'b'] };
      expect(await reader.next('update')).toMatchObject(none);
    });

    test('values keep every digit, whatever the database is set to', async () => {
      const hostile = `DO $$ DECLARE s text; BEGIN
        FOREACH s IN ARRAY ARRAY['DateStyle = ''SQL, DMY''', 'TimeZone = ''Asia/Tokyo''',
          'bytea_output = escape', 'IntervalStyle = iso_8601', 'extra_float_digits = -10'] LOOP
          EXECUTE format('ALTER DATABASE %I SET %s', current_database(), s);
        END LOOP; END $$`;
      const db = await database(`CREATE TABLE w (id int PRIMARY KEY, a timestamptz, b numeric(10,4),
        c char(5), d bytea, e float8, f interval, g date, h regclass); ${hostile}`);
      await db.rows(`INSERT INTO w VALUES (1, '2026-11-23 10:11:12.123456+02', 1.5, 'ab', '\\x00ff41',
        0.1::float8 + 0.2, '1 day 02:03:04.000005', '2026-02-01', 't')`);
      expect((await (await db.start()).next('insert')).values).toEqual([
        '1',
        '2026-11-23 08:11:12.123456+00',
        '1.5000',
        'ab   ',
        String.raw`\x00ff41`,
        '0.30000000000000004',
        '1 day 02:03:04.000005',
        '2026-02-01',
        'public.t',
      ]);
    });

    test('logical messages arrive, transactional or not, with the position that was returned', async () => {
      const db = await database();
      const reader = await db.start();
      const [plain] = await db.rows(
        `SELECT pg_logical_emit_message(false, 'p', 'now')::text AS lsn`,
      );
      const seen = await reader.message();
      expect(seen).toMatchObject({ kind: 'message', transactional: false, prefix: 'p' });
      expect(seen).toHaveProperty('lsn', parseLsn(String(plain?.['lsn'])));
      await db.rows(`SELECT pg_logical_emit_message(true, 'q', '\\xff00'::bytea)`);
      const [, inside] = await reader.transaction();
      expect(inside).toMatchObject({ kind: 'message', transactional: true, prefix: 'q' });
      expect(inside).toHaveProperty('content', new Uint8Array([0xff, 0]));
    });

    test('commit times are exact to the microsecond', async () => {
      const db = await database();
      const reader = await db.start();
      await db.rows(`INSERT INTO t VALUES (1)`);
      const { commitTimeUs, commitLsn } = await reader.next('begin');
      const commit = await reader.next('commit');
      expect(commit).toMatchObject({ commitTimeUs, commitLsn });
      const now = Date.now() * 1000;
      expect(Math.abs(now - commitTimeUs)).toBeLessThan(60_000_000);
      // The server's own print of the same clock, one statement before and after.
      await db.rows(`CREATE TABLE clock AS SELECT clock_timestamp() AS at`);
      await db.rows(`INSERT INTO clock SELECT clock_timestamp()`);
      const rows = await db.rows(`SELECT (extract(epoch FROM at) * 1000000)::bigint::text AS us
                                  FROM clock ORDER BY at`);
      const [before, after] = rows.map((row) => Number(row['us']));
      const between = await reader.next('begin');
      expect(between.commitTimeUs).toBeGreaterThanOrEqual(must(before, 'before'));
      expect(between.commitTimeUs).toBeLessThanOrEqual(must(after, 'after'));
    });

    test('TRUNCATE names its tables and options', async () => {
      const db = await database();
      const reader = await db.start();
      await db.rows(`TRUNCATE t RESTART IDENTITY CASCADE`);
      const { relationOid } = await reader.next('relation');
      expect(await reader.next('truncate')).toMatchObject({
        relationOids: [relationOid],
        cascade: true,
        restartIdentity: true,
      });
    });
  });

  describe('origins', () => {
    const PARTLY = `
      BEGIN;
      INSERT INTO t VALUES (1, 'outside');
      SELECT pg_replication_origin_session_setup('NAME');
      INSERT INTO t VALUES (2, 'inside');
      SELECT pg_replication_origin_session_reset();
      INSERT INTO t VALUES (3, 'outside');
      COMMIT;
      SELECT pg_replication_origin_session_setup('NAME');
      INSERT INTO t VALUES (4, 'inside');
      SELECT pg_replication_origin_session_reset();
      INSERT INTO t VALUES (5, 'outside')`;

    async function writeUnderOrigin(db: StreamedDatabase): Promise<void> {
      await db.rows(`SELECT pg_replication_origin_create('${db.name}')`);
      onTestFinished(async () => {
        await db.rows(`SELECT pg_replication_origin_drop('${db.name}')`);
      });
      for (const statement of PARTLY.replaceAll('NAME', db.name).split(';')) {
        await db.rows(statement);
      }
    }

    test('origin any: everything arrives, and a transaction committed under an origin says so', async () => {
      const db = await database();
      await writeUnderOrigin(db);
      const reader = await db.start({ origin: 'any' });
      expect(await reader.insertedIds(1)).toEqual(['1', '2', '3']);
      const under = await reader.transaction();
      expect(under[1]).toMatchObject({ kind: 'origin', name: db.name });
      expect(await reader.insertedIds(1)).toEqual(['5']);
    });

    test.runIf(options.version === '18')(
      'origin none: exactly what was written outside arrives, also of one transaction',
      async () => {
        const db = await database();
        await writeUnderOrigin(db);
        const reader = await db.start({ origin: 'none' });
        expect(await reader.insertedIds(1)).toEqual(['1', '3']);
        expect(await reader.insertedIds(1)).toEqual(['5']);
      },
    );

    test.runIf(options.version === '15')('origin none is refused before 16', async () => {
      const db = await database();
      await expect(db.start({ origin: 'none' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    });
  });

  describe('failures', () => {
    test.each<[string, StartOptions, string]>([
      ['slot', { slot: 'no_such_slot' }, 'SLOT_MISSING'],
      ['publication', { publication: 'no such "publication"' }, 'SLOT_MISSING'],
    ])('a missing %s waits for the operator', async (_what, more, code) => {
      const db = await database();
      await expect(db.start(more)).rejects.toMatchObject({ code, recovery: 'operator' });
    });

    test('a publication younger than its changes is an error, not a gap', async () => {
      const db = await database();
      await db.rows(`DROP PUBLICATION "Pub it's"`);
      await db.rows(`INSERT INTO t VALUES (1)`);
      await db.rows(`CREATE PUBLICATION "Pub it's" FOR ALL TABLES`);
      await db.rows(`INSERT INTO t VALUES (2)`);
      const reader = await db.start();
      const rejection = { code: 'SLOT_MISSING', recovery: 'operator' };
      await expect(reader.insertedIds(1)).rejects.toMatchObject(rejection);
    });

    test('a slot that somebody reads is busy, and free again soon after', async () => {
      const db = await database();
      const first = await db.start();
      await expect(db.start()).rejects.toMatchObject({ code: 'SLOT_BUSY', recovery: 'retry' });
      await first.stream.close();
      await db.untilIdle();
      await db.start();
    });

    test('a role without the right to replicate is told what to grant', async () => {
      const db = await database();
      await db.rows(`CREATE ROLE "no ${db.name}" LOGIN`);
      onTestFinished(async () => void (await db.rows(`DROP ROLE "no ${db.name}"`)));
      const url = db.url.replace('postgres@', `${encodeURIComponent(`no ${db.name}`)}@`);
      const source = new PgReplicationSource({ url, applicationName: 'test' });
      const wanted = { slot: db.name, publication: "Pub it's", startLsn: 0 as Lsn } as const;
      await expect(source.start({ ...wanted, origin: 'any' })).rejects.toMatchObject({
        code: 'PRIVILEGE_MISSING',
        message: expect.stringContaining(`ALTER ROLE "no ${db.name}" REPLICATION`),
      });
    });
  });

  describe('the server goes away', () => {
    test('a fast shutdown waits for nobody who confirms its last keepalive', async () => {
      const db = await database();
      const reader = await db.start();
      await db.rows(`INSERT INTO t VALUES (1)`);
      await reader.next('commit');
      const end = followUntilEnd(reader);
      const started = performance.now();
      await server.server.stop('fast');
      expect(performance.now() - started).toBeLessThan(10_000);
      await expect(end).resolves.toMatchObject({ recovery: 'retry' });
      await server.server.start();
    });

    test('a killed server ends the iteration with a retry', async () => {
      const db = await database();
      const reader = await db.start();
      await server.server.kill();
      await expect(reader.next('begin')).rejects.toMatchObject({
        code: 'DATABASE_UNREACHABLE',
        recovery: 'retry',
      });
      await expect(db.start()).rejects.toMatchObject({
        code: 'DATABASE_UNREACHABLE',
        recovery: 'retry',
      });
      await server.server.start();
    });
  });
});

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

async function activePid(db: StreamedDatabase): Promise<unknown> {
  const [row] = await db.rows(
    `SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${db.name}'`,
  );
  return row?.['active_pid'];
}

/** Two transactions whose commit records touch; other WAL gets between them now and then. */
async function adjacentCommits(db: StreamedDatabase): Promise<{
  readonly reader: Reader;
  readonly first: { readonly endLsn: Lsn };
  readonly second: { readonly commitLsn: Lsn };
}> {
  const [one, two] = [await db.session(), await db.session()];
  const reader = await db.start();
  for (let id = 1; id < 100; id += 2) {
    await one.query(`BEGIN; INSERT INTO t VALUES (${id})`);
    await two.query(`BEGIN; INSERT INTO t VALUES (${id + 1})`);
    await Promise.all([one.query('COMMIT'), two.query('COMMIT')]);
    const first = await reader.next('commit');
    const second = await reader.next('commit');
    if (first.endLsn === second.commitLsn) return { reader, first, second };
  }
  throw new Error('no two commit records touched in 50 attempts');
}

async function followUntilEnd({ stream }: Reader): Promise<unknown> {
  try {
    for await (const frames of stream) {
      const last = frames.at(-1);
      if (last?.kind === 'keepalive') stream.confirm(last.walEnd);
    }
  } catch (error) {
    return error;
  }
  return undefined;
}
