import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Guard, Statement } from '#replicator/engine/statement.ts';
import { guardCondition } from '#replicator/pg/sql-guard.ts';
import { SqlParameters } from '#replicator/pg/sql-parameters.ts';
import {
  BEGIN,
  NOTHING_KNOWN,
  counts,
  databaseContext,
  keyOf,
  relationOf,
} from '#tests/replicator/pg/database-context.ts';
import type { DatabaseContext } from '#tests/replicator/pg/database-context.ts';
import { scratchServer } from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

const XID_LIMIT = 2 ** 32;
const item = relationOf('item', ['id', 'v']);

let server: ScratchServer;
let context: DatabaseContext;

beforeAll(async () => {
  server = await scratchServer();
  context = await databaseContext(
    server,
    'guard',
    'CREATE TABLE item (id int PRIMARY KEY, v text)',
  );
});
afterAll(async () => {
  await context[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Whether the guard lets a row version with this xmin pass. */
async function passes(xmin: number, guard: Guard, knownXid: number | null): Promise<boolean> {
  const parameters = new SqlParameters();
  const condition = guardCondition(parameters, guard, 't.xmin', [knownXid]);
  const row = parameters.scalar(`${xmin}`, 'xid');
  const { text, values = [] } = parameters.query(
    `SELECT coalesce(${condition}, false) AS ok FROM (SELECT ${row}) AS t(xmin), ${parameters.source()}`,
  );
  const [answer] = await context.scratch.rows(text, values);
  return answer?.['ok'] === true;
}

async function nextXid(): Promise<number> {
  return Number(await context.value('pg_snapshot_xmax(pg_current_snapshot())::text::xid'));
}

const before = (xid: number, distance: number): number => (xid - distance + XID_LIMIT) % XID_LIMIT;

test('the guard orders transaction ids across the wrap at 2^32', async () => {
  const now = await nextXid();
  // Counting back from a young server's counter leads through 0 to ids near 2^32: a wrapped past.
  const past = before(now, 5_000);
  expect(past).toBeGreaterThan(now);
  const horizon = { horizonXid: past, ownXids: [] };
  expect(await passes(before(past, 1), horizon, null)).toBe(true);
  expect(await passes(past, horizon, null)).toBe(false);
  expect(await passes(before(past, -1), horizon, null)).toBe(false);
  expect(await passes(now, horizon, null)).toBe(false);
  expect(await passes(before(now, 2 ** 31 - 10_000), horizon, null)).toBe(true);
  const present = { horizonXid: now, ownXids: [] };
  expect(await passes(past, present, null)).toBe(true);
  expect(await passes(before(now, 1), present, null)).toBe(true);
  expect(await passes(now, present, null)).toBe(false);
  // Began after our snapshot.
  expect(await passes(now + 100, present, null)).toBe(false);
  // Frozen by bulk loading: visible to everybody for ever.
  expect(await passes(2, present, null)).toBe(true);
});

test('each arm of the guard stands alone', async () => {
  const now = await nextXid();
  expect(await passes(now, NOTHING_KNOWN, null)).toBe(false);
  expect(await passes(now - 1, NOTHING_KNOWN, null)).toBe(false);
  expect(await passes(now, { horizonXid: null, ownXids: [1000, now] }, null)).toBe(true);
  expect(await passes(now, { horizonXid: 5, ownXids: [1000] }, now)).toBe(true);
  expect(await passes(now, NOTHING_KNOWN, now - 1)).toBe(false);
  const high = before(now, 5_000);
  expect(await passes(high, { horizonXid: null, ownXids: [high] }, null)).toBe(true);
  expect(await passes(high, NOTHING_KNOWN, high)).toBe(true);
});

test.each([
  { what: 'a local update', sql: "UPDATE item SET v = 'local' WHERE id = 1", left: '(1,local)' },
  { what: 'a local delete', sql: 'DELETE FROM item WHERE id = 1', left: null },
  {
    what: 'a local delete and insert',
    sql: "DELETE FROM item WHERE id = 1; INSERT INTO item VALUES (1, 'again')",
    left: '(1,again)',
  },
])('after waiting for $what the guard looks at the newest version', async ({ sql, left }) => {
  for (const kind of ['updateRows', 'deleteRows'] as const) {
    await context.scratch.rows("DELETE FROM item; INSERT INTO item VALUES (1, 'old'), (2, 'old')");
    const guard = { horizonXid: await nextXid(), ownXids: [] };
    const keys = ['1', '2'].map((key) => ({ key: keyOf(key), knownXid: null }));
    const write: Statement =
      kind === 'deleteRows'
        ? { kind, relation: item, rows: keys, guard }
        : {
            kind,
            relation: item,
            columns: [1],
            rows: keys.map((key) => ({ ...key, writes: [{ kind: 'set', value: 'remote' }] })),
            guard,
          };
    await using local = await localTransaction(sql);
    const writing = context.apply.flight([BEGIN, write]);
    writing.catch(() => {});
    await untilWaiting();
    await local.commit();
    const changed = counts(await writing);
    await context.apply.flight([{ kind: 'commit' }]);
    expect(changed).toEqual([1]);
    expect(await context.value('SELECT item FROM item WHERE id = 1')).toBe(left);
  }
});

test('a row under a savepoint shows the subtransaction, not the transaction', async () => {
  const results = await context.apply.flight([
    BEGIN,
    { kind: 'advanceVector', expectedGeneration: 0, vector: '', hlc: 0 },
    { kind: 'insertRows', relation: item, rows: [['50', 'top']] },
    { kind: 'savepoint' },
    { kind: 'insertRows', relation: item, rows: [['51', 'sub']] },
    { kind: 'lockRows', relation: item, keys: [keyOf('50'), keyOf('51')] },
    { kind: 'commit' },
  ]);
  const [, advanced, , , , locked] = results;
  if (advanced?.kind !== 'advanced' || locked?.kind !== 'locked') throw new Error('results');
  const [top, sub] = locked.rows.map(({ xmin }) => xmin);
  expect(top).toBe(advanced.xid);
  expect(sub).toBe(advanced.xid + 1);
});

async function localTransaction(
  sql: string,
): Promise<{ commit(): Promise<unknown> } & AsyncDisposable> {
  const client = new pg.Client({ connectionString: context.scratch.url });
  await client.connect();
  await client.query(`BEGIN; ${sql}`);
  return {
    commit: () => client.query('COMMIT'),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function untilWaiting(): Promise<void> {
  const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  for (let look = 0; (await context.value(waiting)) === '0'; look += 1) {
    if (look > 400) throw new Error('nobody waits for a lock');
    await sleep(5);
  }
}
