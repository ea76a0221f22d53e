import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { ReplicaId } from '#core/region.ts';
import type { CaptureSettings } from '#core/settings.ts';
import type { ChangeTransaction, RowOp, UniqueVerdict } from '#core/transaction.ts';
import type { CaptureEvent } from '#replicator/engine/capture/capture.ts';
import { formatVerdict } from '#replicator/engine/capture/verdict.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import {
  commit,
  EU,
  insert,
  marker,
  OTHER,
  remove,
  settings,
  SETTINGS,
  START,
  T,
  truncate,
  update,
  Walsender,
} from '#tests/replicator/engine/capture/walsender.ts';

const US = 'us.1' as ReplicaId;

function transactions(events: readonly CaptureEvent[]): readonly ChangeTransaction[] {
  return events.flatMap((event) => (event.kind === 'transaction' ? [event.transaction] : []));
}

/** The operations in short: key, then what the SQL meant. */
function meant(...changes: Parameters<typeof commit>[1][]): readonly unknown[] {
  const [transaction] = transactions(new Walsender().sendAll(commit(5, ...changes)));
  return (transaction?.ops ?? []).map(short);
}

function short(op: RowOp): unknown {
  if (op.kind === 'truncate') return ['truncate'];
  if (op.kind !== 'update') return [op.kind, op.key, op.values];
  const names = op.columns.map((at) => op.relation.columns[at]?.name);
  return ['update', op.key, Object.fromEntries(names.map((name, at) => [name, op.cells[at]]))];
}

test('an UPDATE means the columns that changed: assignments, and differences of counters', () => {
  expect(meant(update(['1', 'x', '5', 'X'], ['1', 'y', '8', 'Y']))).toEqual([
    ['update', '1', { a: 'y', n: { kind: 'add', amount: '3' } }],
  ]);
  expect(meant(update(['1', null, null, null], ['1', '', '3', null]))).toEqual([
    ['update', '1', { a: '', n: '3' }],
  ]);
});

test('an UPDATE that changed nothing is no operation, and a transaction of nothing else no transaction', () => {
  const same = ['1', 'x', '5', 'X'];
  expect(meant(update(same, same))).toEqual([]);
  expect(meant(update(same, same), insert(['2', 'y', '0', 'Y']))).toHaveLength(1);
});

test('stored generated columns are nobody’s write', () => {
  expect(meant(update(['1', 'x', '5', 'X'], ['1', 'x', '5', 'Z']))).toEqual([]);
  expect(meant(insert(['1', 'x', '5', 'X']))).toEqual([['insert', '1', ['1', 'x', '5']]]);
  expect(meant(remove(['1', 'x', '5', 'X']))).toEqual([['delete', '1', ['1', 'x', '5']]]);
});

test('a large value that was not sent again did not change, and is whole where the row is logged whole', () => {
  expect(meant(update(['1', 'large', '5', null], ['1', UNCHANGED, '6', null]))).toEqual([
    ['update', '1', { n: { kind: 'add', amount: '1' } }],
  ]);
  expect(meant(update(['1', 'large', '5', null], ['2', UNCHANGED, '5', null]))).toEqual([
    ['delete', '1', ['1', 'large', '5']],
    ['insert', '2', ['2', 'large', '5']],
  ]);
});

test('a changed key is a delete and an insert of the whole row, its counters as they stand', () => {
  expect(meant(update(['1', 'x', '5', 'X'], ['2', 'y', '9', 'Y']))).toEqual([
    ['delete', '1', ['1', 'x', '5']],
    ['insert', '2', ['2', 'y', '9']],
  ]);
});

test('operations keep the order of the WAL', () => {
  expect(meant(remove(['1', 'x', '5', null]), insert(['1', 'y', '6', null]))).toEqual([
    ['delete', '1', ['1', 'x', '5']],
    ['insert', '1', ['1', 'y', '6']],
  ]);
});

test('what a transaction wrote before it truncated the table was never there', () => {
  expect(meant(insert(['1', 'x', '5', null]), truncate(), insert(['2', 'x', '5', null]))).toEqual([
    ['truncate'],
    ['insert', '2', ['2', 'x', '5']],
  ]);
});

test('tables that are not configured are left alone', () => {
  expect(meant(insert(['1'], OTHER), truncate(OTHER))).toEqual([]);
});

test('own transactions are numbered densely and stamped past their causes and the clock', () => {
  const events = new Walsender().sendAll(
    commit(1000, insert(['1', 'x', '0', null])),
    commit(400, insert(['2', 'x', '0', null])),
    commit(2000, insert(['3'], OTHER)),
    commit(900, insert(['4', 'x', '0', null])),
    commit(3000, insert(['5', 'x', '0', null])),
  );
  expect(transactions(events).map(({ sequence, hlc }) => [sequence, hlc])).toEqual([
    [1, 1000],
    [2, 1001],
    [3, 1002],
    [4, 3000],
  ]);
});

test('a marker is what later commits depend on, without the own component, and pushes the clock', () => {
  const sender = new Walsender();
  const met = new Map([
    [EU, 7],
    [US, 3],
  ]);
  const events = sender.sendAll(
    commit(10, insert(['1', 'x', '0', null])),
    commit(11, marker(5, met, 9999)),
    commit(12, insert(['2', 'x', '0', null])),
  );
  expect(events[1]).toEqual({ kind: 'marker', generation: 5 });
  const [before, after] = transactions(events);
  expect(must(before, 'first').deps).toEqual(new Map());
  expect(must(after, 'second').deps).toEqual(new Map([[US, 3]]));
  expect(must(after, 'second').hlc).toBe(10_000);
});

test('without origins, what follows a marker in its transaction is apply’s own and no news', () => {
  const events = new Walsender().sendAll(
    commit(
      11,
      marker(5, new Map([[US, 3]]), 20),
      insert(['1', 'x', '0', null]),
      update(['1', 'x', '0', null], ['1', 'y', '0', null]),
      remove(['1', 'y', '0', null]),
      truncate(),
    ),
    commit(12, insert(['2', 'x', '0', null])),
  );
  expect(events.map(({ kind }) => kind)).toEqual(['marker', 'transaction']);
  expect(transactions(events)[0]).toMatchObject({ sequence: 1, hlc: 21 });
});

test('settings take effect where their row commits', () => {
  const later: CaptureSettings = {
    id: 2,
    tables: { 'public.t': { key: ['id'], columns: {}, generated: [] } },
    clockOffsetUs: 300,
  };
  const change = () => update(['1', 'x', '5', 'X'], ['1', 'x', '6', 'X']);
  const sender = new Walsender();
  const events = sender.sendAll(
    commit(1000, change()),
    commit(1, settings(later)),
    commit(2000, change()),
  );
  const cells = transactions(events).map(({ ops }) => ops.map(short));
  expect(cells).toEqual([
    [['update', '1', { n: { kind: 'add', amount: '1' } }]],
    [['update', '1', { n: '6' }]],
  ]);
  expect(transactions(events)[1]?.hlc).toBe(1700);
  expect(sender.capture.state.settings).toEqual(later);
});

test('marks and heartbeats come in their place, from inside a transaction or beside it', () => {
  const beside = { kind: 'message', prefix: 'everywrite:heartbeat', content: '77' } as const;
  const inside = { prefix: 'everywrite:mark', content: 'tök' };
  const foreign = { kind: 'message', prefix: 'someone', content: '' } as const;
  const events = new Walsender().sendAll(
    commit(10, insert(['1', 'x', '0', null])),
    beside,
    { kind: 'commit', commitTimeUs: 11, changes: [], message: inside },
    foreign,
  );
  expect(events.slice(1)).toEqual([
    { kind: 'heartbeat', endLsn: 240, content: '77', state: { ...START, sequence: 1, hlc: 10 } },
    { kind: 'mark', token: 'tök' },
  ]);
});

test('a table that is not REPLICA IDENTITY FULL is refused with the SQL that helps', () => {
  const sender = new Walsender();
  const half = {
    ...update(['1', 'x', '0', null], ['1', 'y', '0', null]),
    old: ['1', UNCHANGED, '0', null],
  };
  expect(() => sender.sendAll(commit(1, half as never))).toThrowError(
    expect.objectContaining({
      code: 'DATABASE_NOT_PREPARED',
      message: expect.stringContaining('ALTER TABLE public.t REPLICA IDENTITY FULL;'),
    }),
  );
});

test('a table that lost its key column is refused when it is written, not before', () => {
  const tables = { 'public.t': { key: ['gone'], columns: {}, generated: [] } };
  const sender = new Walsender({ ...START, settings: { ...SETTINGS, tables } });
  expect(() => sender.sendAll(commit(1, insert(['1', 'x', '0', null])))).toThrowError(
    expect.objectContaining({ code: 'DATABASE_NOT_PREPARED' }),
  );
});

test('a key that moved to a new column is taken up though the table was described with the old one', () => {
  const wide = { ...T, columns: [...T.columns, { ...must(T.columns[0], 'id'), name: 'k' }] };
  const tables = { 'public.t': { key: ['k'], columns: {}, generated: ['g'] } };
  const events = new Walsender().sendAll(
    commit(1, insert(['1', 'x', '0', null])),
    commit(2, settings({ ...SETTINGS, id: 2, tables })),
    commit(3, insert(['1', 'x', '0', null, 'K'], wide)),
  );
  expect(transactions(events)[1]?.ops.map(short)).toEqual([['insert', 'K', ['1', 'x', '0', 'K']]]);
});

const VERDICT = {
  constraint: 'account_email_key',
  winner: { dot: 'us.1:3', region: 'us', hlc: 7, saw: 0, row: '{"id":"1"}' },
  loser: { dot: 'eu.1:1', region: 'eu', hlc: 9, saw: 2, row: '{"id":"2"}' },
} satisfies UniqueVerdict;
const ruled = {
  prefix: 'everywrite:verdict',
  content: formatVerdict(
    { schema: 'public', name: 't', columns: [{ name: 'id', typeOid: 23 }], keyColumns: [0] },
    ['2'],
    VERDICT,
  ),
};

test('a verdict behind the marker is an own transaction that has seen what the marker covers', () => {
  const item = { ...commit(5, marker(9, new Map([[US, 3]]), 40)), message: ruled };
  const [event] = new Walsender().sendAll(item);
  expect(event).toMatchObject({ kind: 'transaction', generation: 9 });
  const [transaction] = transactions(event === undefined ? [] : [event]);
  expect(transaction?.deps).toEqual(new Map([[US, 3]]));
  expect(transaction?.hlc).toBeGreaterThan(40);
  expect(transaction?.ops).toMatchObject([{ kind: 'delete', key: '2', cause: VERDICT }]);
});

test('a verdict without a marker is anybody’s message, and means nothing', () => {
  expect(new Walsender().sendAll({ ...commit(5), message: ruled })).toEqual([]);
  const among = { ...commit(5, insert(['1', 'x', '5', 'X'])), message: ruled };
  const [transaction] = transactions(new Walsender().sendAll(among));
  expect((transaction?.ops ?? []).map(({ kind }) => kind)).toEqual(['insert']);
});
