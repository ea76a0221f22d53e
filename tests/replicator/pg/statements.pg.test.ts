import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ColumnWrite, Statement } from '#replicator/engine/statement.ts';
import {
  BEGIN,
  NOTHING_KNOWN,
  counts,
  databaseContext,
  keyOf,
  relationOf,
} from '#tests/replicator/pg/database-context.ts';
import type { DatabaseContext } from '#tests/replicator/pg/database-context.ts';
import {
  POSTGRES_15,
  hasPostgres15,
  scratchServer,
} from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';

const SET_UP = `
CREATE TABLE account (id bigint PRIMARY KEY, balance int, note varchar(5), rate numeric(10,2));
CREATE TABLE "Odd ""Näme""" ("a b" text, "Ключ" int, "select" text, PRIMARY KEY ("a b", "Ключ"));
CREATE TABLE derived (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE part (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
CREATE TABLE part_us PARTITION OF part FOR VALUES IN ('us');
CREATE TABLE list (id int PRIMARY KEY, v text);
CREATE EXTENSION citext;
CREATE TABLE mail (address citext PRIMARY KEY, v text);
CREATE TABLE short (code char(4) PRIMARY KEY, v text);`;

const account = relationOf('account', ['id', 'balance', 'note', 'rate']);
const list = relationOf('list', ['id', 'v']);

const set = (value: string | null): ColumnWrite => ({ kind: 'set', value });
const add = (amount: string): ColumnWrite => ({ kind: 'add', amount });
const row = (key: string, ...writes: readonly ColumnWrite[]) => {
  return { key: keyOf(key), knownXid: null, writes };
};

describe.each([
  { version: '18', binDir: undefined, present: true },
  { version: '15', binDir: POSTGRES_15, present: hasPostgres15 },
])('PostgreSQL $version', ({ version, binDir, present }) => {
  let server: ScratchServer;
  let context: DatabaseContext;

  beforeAll(async () => {
    if (!present) return;
    server = await scratchServer(binDir === undefined ? {} : { binDir });
    context = await databaseContext(server, `statements${version}`, SET_UP);
  });
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  const accounts = (): Promise<string | null> =>
    context.value(`SELECT string_agg(account::text, ' ' ORDER BY id) FROM account`);

  test.runIf(present)('inserts rows, and skips those that are there', async () => {
    const rows = [
      ['1', '10', 'one', '1.50'],
      ['2', null, null, null],
      ['3', '30', 'NULL', '-0.01'],
    ];
    const insert: Statement = { kind: 'insertRows', relation: account, rows };
    expect(counts(await context.transact(insert))).toEqual([3]);
    expect(counts(await context.transact(insert))).toEqual([0]);
    expect(await accounts()).toBe('(1,10,one,1.50) (2,,,) (3,30,NULL,-0.01)');
  });

  test.runIf(present)('updates what each row means: nothing, a value, an amount', async () => {
    const update = (columns: number[], ...rows: ReturnType<typeof row>[]): Statement => {
      return { kind: 'updateRows', relation: account, columns, rows, guard: null };
    };
    const results = await context.transact(
      update([1], row('1', set('2147483647')), row('3', set(null))),
      // The amount does not fit the column; the sum does.
      update([1], row('1', add('-4294967295'))),
      update([1, 3], row('1', add('8'), add('0.25')), row('3', set('4'), null)),
      update([1, 2], row('2', null, set('two')), row('1', add('1'), set('five5'))),
      update([1], row('9', set('1'))),
    );
    expect(counts(results)).toEqual([2, 1, 2, 2, 0]);
    expect(await accounts()).toBe('(1,-2147483639,five5,1.75) (2,,two,) (3,4,NULL,-0.01)');
  });

  test.runIf(present)('refuses what does not fit instead of cutting it', async () => {
    const session = await context.database.open('control');
    const write = (writes: readonly ColumnWrite[]): Promise<unknown> => {
      const rows = [row('1', ...writes)];
      const columns = [1, 2];
      return session.attempt([
        { kind: 'updateRows', relation: account, columns, rows, guard: null },
      ]);
    };
    expect(await write([null, set('sixsix')])).toMatchObject({ sqlState: '22001' });
    expect(await write([add('99999999999999999999'), null])).toMatchObject({ sqlState: '22003' });
    expect(await write([add('-2147483647'), null])).toMatchObject({ sqlState: '22003' });
    await session.close();
  });

  test.runIf(present)('deletes by key', async () => {
    const rows = ['3', '8'].map((key) => ({ key: keyOf(key), knownXid: null }));
    const results = await context.transact({
      kind: 'deleteRows',
      relation: account,
      rows,
      guard: null,
    });
    expect(counts(results)).toEqual([1]);
  });

  test.runIf(present)('finds composite keys under names that need quotes', async () => {
    const odd = relationOf('Odd "Näme"', ['a b', 'Ключ', 'select'], 2);
    const key = keyOf('x "\\{,} й', '7');
    const results = await context.transact(
      { kind: 'insertRows', relation: odd, rows: [['x "\\{,} й', '7', 'v']] },
      {
        kind: 'updateRows',
        relation: odd,
        columns: [2],
        rows: [{ key, knownXid: null, writes: [set('')] }],
        guard: null,
      },
      { kind: 'lockRows', relation: odd, keys: [keyOf('x', '7'), key] },
    );
    expect(results[2]).toMatchObject({ rows: [{ key, values: ['x "\\{,} й', '7', ''] }] });
  });

  test.runIf(present)('leaves out columns that are missing or computed here', async () => {
    const derived = relationOf('derived', ['id', 'a', 'twice', 'elsewhere']);
    const rows = [{ key: keyOf('1'), knownXid: null, writes: [set('5'), set('99'), set('x')] }];
    const results = await context.transact(
      { kind: 'insertRows', relation: derived, rows: [['1', '4', '77', 'x']] },
      { kind: 'updateRows', relation: derived, columns: [1, 2, 3], rows, guard: null },
      // Nothing to write at all: the row still counts.
      {
        kind: 'updateRows',
        relation: derived,
        columns: [3],
        rows: [row('1', set('x')), row('2', set('x'))],
        guard: NOTHING_KNOWN,
      },
      { kind: 'lockRows', relation: derived, keys: [keyOf('1')] },
    );
    expect(counts(results)).toEqual([1, 1, 0]);
    expect(results[3]).toMatchObject({ rows: [{ values: ['1', '5', '10', null] }] });
    expect((await context.database.localTable(derived))?.columns).toEqual(['id', 'a']);
  });

  test.runIf(present)('overrides an identity column', async () => {
    const numbered = relationOf('numbered', ['id', 'v']);
    await context.transact({ kind: 'insertRows', relation: numbered, rows: [['42', 'x']] });
    expect(await context.value('SELECT id FROM numbered')).toBe('42');
  });

  test.runIf(present)('works through the root of a partitioned table', async () => {
    const part = relationOf('part', ['region', 'id', 'v'], 2);
    const guard = { horizonXid: null, ownXids: [] };
    const key = keyOf('eu', '1');
    const insert: Statement = {
      kind: 'insertRows',
      relation: part,
      rows: ['eu', 'us'].map((region) => [region, '1', 'a']),
    };
    expect(counts(await context.transact(insert))).toEqual([2]);
    const knownXid = Number(await context.value("SELECT xmin FROM part WHERE region = 'eu'"));
    const update = (xid: number): Statement => ({
      kind: 'updateRows',
      relation: part,
      columns: [2],
      rows: [{ key, knownXid: xid, writes: [set('b')] }],
      guard,
    });
    expect(counts(await context.transact(update(knownXid + 1)))).toEqual([0]);
    const [, locked] = await context.transact(update(knownXid), {
      kind: 'lockRows',
      relation: part,
      keys: [keyOf('us', '1'), key],
    });
    expect(locked).toMatchObject({ rows: [{ values: ['eu', '1', 'b'] }, { key: 'us\u00001' }] });
    const results = await context.transact(
      { kind: 'deleteRows', relation: part, rows: [{ key, knownXid: 1 }], guard },
      { kind: 'lockTable', relation: part },
      { kind: 'truncateExcept', relation: part, survivors: [key] },
    );
    expect(counts(results)).toEqual([0, 1]);
    expect(await context.value('SELECT string_agg(part::text, $$$$) FROM part')).toBe('(eu,1,b)');
  });

  test.runIf(present)('truncates except the survivors', async () => {
    await context.scratch.rows('INSERT INTO list SELECT g, g FROM generate_series(1, 100) g');
    const truncate = (...survivors: readonly string[]): Statement => {
      return { kind: 'truncateExcept', relation: list, survivors: survivors.map((k) => keyOf(k)) };
    };
    expect(counts(await context.transact(truncate('3', '5', '500')))).toEqual([98]);
    expect(counts(await context.transact(truncate('3', '5', '500')))).toEqual([0]);
    expect(counts(await context.transact(truncate()))).toEqual([2]);
  });

  test.runIf(present)('compares keys as their type does', async () => {
    const mail = relationOf('mail', ['address', 'v']);
    const short = relationOf('short', ['code', 'v']);
    const results = await context.transact(
      { kind: 'insertRows', relation: mail, rows: [['Ann@x', 'a']] },
      { kind: 'insertRows', relation: mail, rows: [['aNN@X', 'b']] },
      { kind: 'lockRows', relation: mail, keys: [keyOf('ann@X')] },
      { kind: 'truncateExcept', relation: mail, survivors: [keyOf('ANN@x')] },
      { kind: 'insertRows', relation: short, rows: [['ab', 'a']] },
      { kind: 'lockRows', relation: short, keys: [keyOf('ab')] },
    );
    expect(counts(results)).toEqual([1, 0, 0, 1]);
    expect(results[2]).toMatchObject({ rows: [{ values: ['Ann@x', 'a'] }] });
    // Padded as the replication stream has it, which `::text` would cut.
    expect(results[5]).toMatchObject({ rows: [{ values: ['ab  ', 'a'] }] });
  });

  test.runIf(present)('locks rows in key order and says what it locked', async () => {
    await context.transact({
      kind: 'insertRows',
      relation: list,
      rows: ['10', '9', '11'].map((id) => [id, 'v']),
    });
    const keys = ['11', '404', '9', '10'].map((key) => keyOf(key));
    const [, locked] = await context.apply.flight([
      BEGIN,
      { kind: 'lockRows', relation: list, keys },
    ]);
    const xmin = Number(await context.value('SELECT xmin FROM list WHERE id = 9'));
    expect(locked).toEqual({
      kind: 'locked',
      rows: ['9', '10', '11'].map((id) => ({ key: id, xmin, values: [id, 'v'] })),
    });
    await expect(
      context.scratch.rows('SELECT FROM list WHERE id = 10 FOR UPDATE NOWAIT'),
    ).rejects.toMatchObject({ code: '55P03' });
    await context.apply.flight([{ kind: 'rollback' }]);
  });

  test.runIf(present)('keeps other writers out of a locked table', async () => {
    await context.apply.flight([BEGIN, { kind: 'lockTable', relation: list }]);
    const write = "SET lock_timeout = 50; INSERT INTO list VALUES (77, 'v')";
    await expect(context.scratch.rows(write)).rejects.toMatchObject({ code: '55P03' });
    expect(await context.value('SELECT count(*) FROM list')).toBe('3');
    await context.apply.flight([{ kind: 'rollback' }]);
  });
});
