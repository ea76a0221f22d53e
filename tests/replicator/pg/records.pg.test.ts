import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { ConflictRow, Statement, StatementResult } from '#replicator/engine/statement.ts';
import { databaseContext, keyOf, relationOf } from '#tests/replicator/pg/database-context.ts';
import type { DatabaseContext } from '#tests/replicator/pg/database-context.ts';
import {
  POSTGRES_15,
  hasPostgres15,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

const REGION = `INSERT INTO everywrite.region
  (cluster, region, epoch, system_identifier, timeline, slot, publication, initial_settings, stride, stride_offset)
  VALUES ('c', 'eu', 3, 1, 1, 'absent', 'p', 7, 3, 0)`;
const COMPOSITE = keyOf('a', 'b\u0001', '\u0001\u0002c');

const conflict = (key: string, winner: string | null): ConflictRow => ({
  relation: 'public.t',
  key,
  column: 'v',
  kind: 'update-update',
  winner: { dot: 'eu.1:5', region: 'eu', hlc: 1_700_000_000_000_001, saw: 8, value: winner },
  loser: { dot: 'us.1:9', region: 'us', hlc: 1_700_000_000_000_000, saw: 4, value: `l'"\\{}` },
});

describe.each([
  { version: '18', binDir: undefined, present: true },
  { version: '15', binDir: POSTGRES_15, present: hasPostgres15 },
])('PostgreSQL $version', ({ version, binDir, present }) => {
  let server: ScratchServer;
  let context: DatabaseContext;
  let session: DatabaseSession;

  beforeAll(async () => {
    if (!present) return;
    server = await scratchServer(binDir === undefined ? {} : { binDir });
    context = await databaseContext(server, `records${version}`);
  });
  beforeEach(async () => {
    if (present) session = await context.database.open('control');
    return () => session?.close();
  });
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function ask(statement: Statement): Promise<StatementResult> {
    const [result] = await session.flight([statement]);
    if (result === undefined) throw new Error('no result');
    return result;
  }

  test.runIf(present)('state says what is missing, then what is there', async () => {
    await expect(ask({ kind: 'readState' })).rejects.toMatchObject({
      code: 'DATABASE_NOT_PREPARED',
    });
    await session.close();
    session = await context.database.open('control');
    await context.scratch.rows(REGION);
    const next = { stable: 'eu.3:4,us.1:5', foldFrom: 'eu.3:4,us.1:5' };
    const nothing = { stable: '', foldFrom: '' };
    const save: Statement = { kind: 'saveCheckpoint', expected: nothing, next };
    expect(await ask(save)).toEqual({ kind: 'count', count: 1 });
    // A replicator that was taken over still expects what it saw.
    expect(await ask(save)).toEqual({ kind: 'count', count: 0 });
    expect(await ask({ kind: 'readState' })).toEqual({
      kind: 'state',
      state: {
        region: 'eu',
        epoch: 3,
        generation: 0,
        vector: '',
        hlc: 0,
        initialSettings: 7,
        stable: 'eu.3:4,us.1:5',
        foldFrom: 'eu.3:4,us.1:5',
        serverVersion: context.database.facts.serverVersion,
        confirmedFlushLsn: null,
        sameServer: false,
        walLsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/) as unknown,
      },
    });
    await context.scratch.rows("SELECT pg_create_logical_replication_slot('absent', 'pgoutput')");
    const state = await ask({ kind: 'readState' });
    expect(state).toMatchObject({ state: { confirmedFlushLsn: expect.stringMatching(/^\d+\//) } });
    await context.scratch.rows("SELECT pg_drop_replication_slot('absent')");
  });

  test.runIf(present)('settings are read by id', async () => {
    await context.scratch.rows("INSERT INTO everywrite.settings VALUES (7, '{}')");
    expect(await ask({ kind: 'readSettings', id: 7 })).toEqual({ kind: 'settings', value: '{}' });
    expect(await ask({ kind: 'readSettings', id: 8 })).toEqual({ kind: 'settings', value: null });
  });

  test.runIf(present)('conflicts are recorded once and can be taken back', async () => {
    const add = [conflict('1', 'w'), conflict(COMPOSITE, null)];
    await ask({ kind: 'writeConflicts', add, remove: [] });
    await ask({ kind: 'writeConflicts', add, remove: [] });
    const columns = 'winner_hlc, winner_value, loser_value, recorded_at IS NOT NULL';
    const [row, ...more] = await context.scratch.rows(
      `SELECT (${columns})::text AS c FROM everywrite.conflicts ORDER BY key`,
    );
    expect(row?.['c']).toBe(`(1700000000000001,w,"l'""\\\\{}",t)`);
    expect(more).toHaveLength(1);
    await ask({ kind: 'writeConflicts', add: [], remove: [conflict(COMPOSITE, 'other value')] });
    await ask({ kind: 'writeConflicts', add: [], remove: [] });
    expect(await context.value('SELECT string_agg(key, $$ $$) FROM everywrite.conflicts')).toBe(
      '1',
    );

    const both = [conflict(COMPOSITE, 'one'), conflict(keyOf('k'), 'two')];
    await ask({ kind: 'writeConflicts', add: both, remove: [] });
    const withdraw = (replica: string, after: number) =>
      ask({ kind: 'withdrawConflicts', replica, after });
    expect(await withdraw('eu.1', 5)).toEqual({ kind: 'count', count: 0 });
    expect(await withdraw('eu.11', 0)).toEqual({ kind: 'count', count: 0 });
    expect(await withdraw('us.1', 8)).toEqual({ kind: 'count', count: 3 });
  });

  test.runIf(present)('quarantine counts attempts and remembers since when', async () => {
    const row = {
      relation: 'public.t',
      key: COMPOSITE,
      sqlState: '23514',
      reason: 'r',
      wanted: null,
    };
    await ask({ kind: 'writeQuarantine', rows: [row] });
    await ask({ kind: 'writeQuarantine', rows: [{ ...row, wanted: '{"a":"1"}' }] });
    const columns = 'sql_state, reason, wanted, attempts, since < now()';
    expect(await context.value(`SELECT (${columns}) FROM everywrite.quarantine`)).toBe(
      '(23514,r,"{""a"":""1""}",2,t)',
    );
    expect(await ask({ kind: 'readQuarantine' })).toEqual({
      kind: 'quarantined',
      rows: [{ ...row, wanted: '{"a":"1"}' }],
    });
    await ask({ kind: 'clearQuarantine', rows: [row] });
    expect(await ask({ kind: 'readQuarantine' })).toEqual({ kind: 'quarantined', rows: [] });
  });

  test.runIf(present)('spilled keys come back once, composite keys too', async () => {
    const relation = 'public.t';
    const rows = [
      { relation, key: '1', state: Uint8Array.of(0, 255, 92, 34) },
      { relation, key: COMPOSITE, state: new Uint8Array() },
    ];
    const load: Statement = {
      kind: 'loadSpill',
      owner: 'me',
      keys: [{ relation, key: 'none' }, ...rows],
      table: null,
    };
    await ask({ kind: 'resetSpill', owner: null });
    await ask({ kind: 'spill', owner: 'other', rows });
    await ask({
      kind: 'spill',
      owner: 'me',
      rows: [{ relation, key: '1', state: Uint8Array.of(9) }],
    });
    await ask({ kind: 'spill', owner: 'me', rows });
    const loaded = await ask(load);
    if (loaded.kind !== 'spilled') throw new Error(loaded.kind);
    const byKey = new Map(loaded.rows.map(({ key, state }) => [key, [...state]]));
    expect(byKey).toEqual(new Map(rows.map(({ key, state }) => [key, [...state]])));
    expect(await ask(load)).toEqual({ kind: 'spilled', rows: [] });
  });

  test.runIf(present)('a mark is the same message in every version', async () => {
    await context.scratch.rows('CREATE PUBLICATION nothing');
    await context.scratch.rows("SELECT pg_create_logical_replication_slot('marks', 'pgoutput')");
    await ask({ kind: 'emitMark', prefix: 'everywrite:mark', content: `it's a "m\\ark"` });
    const messages = await context.scratch.rows(`
      SELECT encode(data, 'escape') AS m FROM pg_logical_slot_get_binary_changes('marks', NULL,
        NULL, 'proto_version', '1', 'publication_names', 'nothing', 'messages', 'on')`);
    await context.scratch.rows("SELECT pg_drop_replication_slot('marks')");
    expect(messages).toHaveLength(1);
    const text = String(messages[0]?.['m']);
    // Flags 0: not transactional.
    expect(text.startsWith('M\\000')).toBe(true);
    expect(text.endsWith(`it's a "m\\\\ark"`)).toBe(true);
  });

  test.runIf(present)('local tables say what can be written and what is unique', async () => {
    await context.scratch.rows(`CREATE TABLE shop (id int, part int, mail text UNIQUE, a int, b int,
      c int, d int, e int, PRIMARY KEY (id, part), UNIQUE (a, part) INCLUDE (e),
      EXCLUDE USING btree (d WITH =))`);
    await context.scratch.rows('CREATE UNIQUE INDEX ON shop ((b + 1)) WHERE c > 0');
    const shop = relationOf('shop', ['id', 'part'], 2);
    const table = await context.database.localTable(shop);
    expect(table?.columns).toEqual(['id', 'part', 'mail', 'a', 'b', 'c', 'd', 'e']);
    expect([...(table?.uniqueColumns ?? [])].toSorted()).toEqual([
      'a',
      'b',
      'c',
      'd',
      'mail',
      'part',
    ]);
    const absent = relationOf('later', ['id']);
    expect(await context.database.localTable(absent)).toBeNull();
    await context.scratch.rows('CREATE TABLE later (id int PRIMARY KEY)');
    expect(await context.database.localTable(absent)).toBeNull();
    context.database.forget();
    expect((await context.database.localTable(absent))?.columns).toEqual(['id']);
  });
});
