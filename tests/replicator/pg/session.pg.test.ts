import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { Statement } from '#replicator/engine/statement.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import {
  BEGIN,
  CONNECT_TIMEOUT_MS,
  counts,
  databaseContext,
  keyOf,
  relationOf,
} from '#tests/replicator/pg/database-context.ts';
import type { DatabaseContext } from '#tests/replicator/pg/database-context.ts';
import { scratchServer } from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

const SET_UP = `
CREATE TABLE item (id int PRIMARY KEY, v text UNIQUE);
ALTER TABLE item REPLICA IDENTITY FULL;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
CREATE TRIGGER fires BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION fail();`;

const item = relationOf('item', ['id', 'v']);
const insert = (...rows: readonly (readonly [string, string | null])[]): Statement => {
  return { kind: 'insertRows', relation: item, rows };
};
const COMMIT: Statement = { kind: 'commit' };
const ENTER: Statement = { kind: 'enterOrigin' };
const LEAVE: Statement = { kind: 'leaveOrigin' };

let server: ScratchServer;
let context: DatabaseContext;

beforeAll(async () => {
  server = await scratchServer();
  context = await databaseContext(server, 'session', SET_UP);
  // One test after the other opens the session that applies; the origin admits one at a time.
  await context.apply.close();
});
afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function withApply<T>(use: (session: DatabaseSession) => Promise<T>): Promise<T> {
  const session = await context.database.open('apply');
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

const rowCount = (id: string): Promise<string | null> =>
  context.value(`SELECT count(*) FROM item WHERE id = ${id}`);

test('a flight rejects with the first error, and nothing of it stays', async () => {
  await withApply(async (session) => {
    const flight = session.flight([
      BEGIN,
      insert(['1', 'a']),
      insert(['2', 'a']),
      insert(['3', 'c']),
      COMMIT,
    ]);
    await expect(flight).rejects.toMatchObject({ code: 'ROW_REFUSED', sqlState: '23505' });
    await expect(flight).rejects.toThrow('Key (v)=(a) already exists');
    await expect(session.flight([BEGIN])).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
  });
  expect(await context.value('SELECT count(*) FROM item')).toBe('0');
});

test('a refused row is an answer, and the transaction goes on from the savepoint', async () => {
  await withApply(async (session) => {
    await session.flight([BEGIN, insert(['10', 'ten'])]);
    const refused = await session.attempt([{ kind: 'savepoint' }, insert(['11', 'ten'])]);
    expect(refused).toMatchObject({ kind: 'refused', sqlState: '23505' });
    await session.flight([{ kind: 'rollbackToSavepoint' }]);
    expect(await session.attempt([{ kind: 'savepoint' }, insert(['12', 'x'])])).toMatchObject({
      kind: 'ok',
      results: [{ kind: 'done' }, { count: 1 }],
    });
    const absent = relationOf('absent', ['id']);
    const lockKeys = [keyOf('1')];
    const unknown = await session.attempt([{ kind: 'lockRows', relation: absent, keys: lockKeys }]);
    expect(unknown).toMatchObject({ kind: 'refused', sqlState: '42P01' });
    await session.flight([COMMIT]);
  });
  expect(await context.value("SELECT string_agg(id::text, ' ') FROM item")).toBe('10 12');
});

test('COMMIT of a transaction that failed is a failure', async () => {
  await withApply(async (session) => {
    await session.flight([BEGIN]);
    await session.attempt([{ kind: 'savepoint' }, insert(['20', 'ten'])]);
    await expect(session.flight([COMMIT])).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
  });
});

test('orders of statements that would do harm are broken assumptions', async () => {
  await withApply(async (session) => {
    await expect(session.flight([BEGIN, COMMIT, BEGIN])).rejects.toThrow('begins behind another');
    await expect(session.flight([BEGIN, ENTER, COMMIT])).rejects.toThrow(
      'commit before leaveOrigin',
    );
  });
  await withApply(async (session) => {
    await session.flight([BEGIN]);
    await expect(session.attempt([insert(['1', '1'])])).rejects.toThrow('needs a savepoint');
    const flights = [session.flight([insert(['2', '2'])]), session.flight([COMMIT])];
    await expect(Promise.all(flights)).rejects.toThrow('one flight at a time');
    await Promise.allSettled(flights);
  });
});

test('apply gives way when it waits for a lock too long', async () => {
  await context.scratch.rows("BEGIN; INSERT INTO item VALUES (30, 'local')");
  await withApply(async (session) => {
    const flight = session.flight([
      { kind: 'begin', lockTimeoutMs: 40 },
      insert(['30', 'remote']),
      COMMIT,
    ]);
    await expect(flight).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', recovery: 'retry' });
  });
  await context.scratch.rows('COMMIT');
  expect(await context.value('SELECT v FROM item WHERE id = 30')).toBe('local');
});

test('of two appliers one sees that the vector moved', async () => {
  await withApply(async (session) => {
    const advance = (vector: string): Statement => {
      return { kind: 'advanceVector', expectedGeneration: 0, vector, hlc: 17 };
    };
    const other = await context.database.open('control');
    const [, first] = await session.flight([BEGIN, advance('a')]);
    const second = other.flight([BEGIN, advance('b')]);
    await session.flight([COMMIT]);
    expect(first).toMatchObject({ kind: 'advanced', count: 1 });
    expect((await second)[1]).toEqual({ kind: 'advanced', count: 0, xid: 0, snapshotXmin: 0n });
    await other.close();
    expect(await context.value('SELECT applied FROM everywrite.applied')).toBe('(1,1,a,17)');
  });
});

test('as a replica, triggers stay silent', async () => {
  expect(context.database.facts).toMatchObject({ replicaRole: true, originSupported: true });
  await withApply(async (session) => {
    const rows = [
      { key: keyOf('10'), knownXid: null, writes: [{ kind: 'set', value: 'q' } as const] },
    ];
    const update: Statement = {
      kind: 'updateRows',
      relation: item,
      columns: [1],
      rows,
      guard: null,
    };
    expect(counts(await session.flight([BEGIN, update, COMMIT]))).toEqual([1]);
  });
});

/** What a slot with origin = none sends of `item`: the kinds of its row messages. */
async function captured(work: () => Promise<unknown>): Promise<string> {
  await context.scratch.rows('CREATE PUBLICATION items FOR TABLE item');
  await context.scratch.rows("SELECT pg_create_logical_replication_slot('filter', 'pgoutput')");
  await work();
  // Apply commits asynchronously, and a slot sees the flushed log only.
  await context.scratch.rows("COMMENT ON TABLE item IS 'a synchronous commit'");
  const messages = await context.scratch.rows(`
    SELECT chr(get_byte(data, 0)) AS kind FROM pg_logical_slot_get_binary_changes('filter', NULL,
      NULL, 'proto_version', '1', 'publication_names', 'items', 'origin', 'none', 'messages', 'on')`);
  await context.scratch.rows("SELECT pg_drop_replication_slot('filter')");
  await context.scratch.rows('DROP PUBLICATION items');
  return messages.map((message) => String(message['kind'])).join('');
}

test('what is written under the origin is filtered, what is outside comes through', async () => {
  const kinds = await captured(() =>
    withApply(async (session) => {
      await session.flight([BEGIN, ENTER, insert(['40', '40'], ['41', '41']), LEAVE, COMMIT]);
      await session.flight([
        BEGIN,
        insert(['42', '42']),
        ENTER,
        insert(['43', '43']),
        LEAVE,
        COMMIT,
      ]);
    }),
  );
  expect(kinds).toBe('BRIC');
});

test('a leaked origin cannot hide the next local write', async () => {
  const kinds = await captured(async () => {
    await withApply(async (session) => {
      // Rolled back on purpose: the origin survives ROLLBACK, so the adapter lets go of it.
      await session.flight([BEGIN, ENTER, insert(['50', '50'])]);
      await session.flight([{ kind: 'rollback' }]);
      await session.flight([BEGIN, insert(['51', '51']), COMMIT]);
    });
    await withApply(async (session) => {
      const failing = session.flight([BEGIN, ENTER, insert(['52', '51']), LEAVE, COMMIT]);
      await expect(failing).rejects.toMatchObject({ sqlState: '23505' });
      await expect(session.flight([insert(['53', '53'])])).rejects.toThrow('closed');
    });
  });
  expect(kinds).toBe('BRIC');
  expect(await rowCount('53')).toBe('0');
});

test('a session waits for the origin until its last holder is gone', async () => {
  const first = await context.database.open('apply');
  await first.flight([BEGIN, ENTER]);
  let opened = false;
  const second = context.database.open('apply').then((session) => {
    opened = true;
    return session;
  });
  await sleep(300);
  expect(opened).toBe(false);
  await first.close();
  await (await second).close();
});

test('the origin is taken from a session that neither goes on nor ends', async () => {
  const frozen = await context.database.open('apply');
  await frozen.flight([BEGIN, insert(['54', '54']), ENTER]);
  const next = await context.database.open('apply');
  await next.flight([BEGIN, ENTER, insert(['54', 'taken']), LEAVE, COMMIT]);
  await next.close();
  await expect(frozen.flight([LEAVE, COMMIT])).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
  });
  expect(await context.value('SELECT v FROM item WHERE id = 54')).toBe('taken');
});

test('a mark is in the flushed log when the statement returns', async () => {
  const session = await context.database.open('control');
  const kinds = await captured(async () => {
    await session.flight([{ kind: 'emitMark', prefix: 'everywrite:mark', content: '1' }]);
    const pending = 'pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()';
    expect(Number(await context.value(pending))).toBeLessThan(64);
  });
  expect(kinds).toBe('M');
  await session.close();
});

test('a broken connection is told apart, and the catalogue finds a new one', async () => {
  await withApply(async (session) => {
    await session.flight([BEGIN]);
    const others = 'pid <> pg_backend_pid() AND application_name LIKE $$everywrite%$$';
    await context.value(
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE ${others}`,
    );
    const flight = session.flight([insert(['60', '60']), COMMIT]);
    await expect(flight).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE', recovery: 'retry' });
  });
  context.database.forget();
  const table = await context.database.localTable(item);
  expect(table?.columns).toEqual(['id', 'v']);
});

test('an ordinary role applies without origin and replica role, and says so', async () => {
  await context.scratch.rows('CREATE ROLE plain LOGIN; GRANT SELECT ON item TO plain');
  const url = context.scratch.url.replace('postgres@', 'plain@');
  const options = { url, cluster: 'plain', connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const database = await PgDatabase.connect(options);
  expect(database.facts).toMatchObject({ replicaRole: false, originSupported: false });
  const session = await database.open('apply');
  const flight = session.flight([BEGIN, insert(['70', '70']), COMMIT]);
  // One table's rows are refused; what is missing for all of them is PRIVILEGE_MISSING.
  await expect(flight).rejects.toMatchObject({ code: 'ROW_REFUSED', sqlState: '42501' });
  await session.close();
  const control = await database.open('control');
  const state = control.flight([{ kind: 'readState' }]);
  await expect(state).rejects.toMatchObject({ code: 'PRIVILEGE_MISSING', sqlState: '42501' });
  await control.close();
  await database.close();
});
