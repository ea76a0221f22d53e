import { beforeAll, expect, test } from 'vitest';
import type { Hlc } from '#core/hlc.ts';
import { formatVector, parseVector } from '#core/version-vector.ts';
import { PROPERTIES } from '#sim/check/properties.ts';
import type { Truth } from '#sim/check/truth.ts';
import type { CommitEvent, ConflictChange, HistoryEvent } from '#sim/history/event.ts';
import { isApply, isOwn, replaced, verdictOf } from '#tests/sim/check/planted.ts';
import { toyRun } from '#tests/sim/toy-run.ts';

// One good history, and for every property a way to spoil it: a checker that never fails is a bug.
let good: Truth;
let events: readonly HistoryEvent[];

beforeAll(async () => {
  good = (await toyRun(7)).truth;
  events = good.events;
});

function withChanges(commit: CommitEvent, changes: CommitEvent['changes']): CommitEvent {
  return { ...commit, changes };
}

/** An apply commit says that it applied, and wrote nothing. */
function withoutRow(): readonly HistoryEvent[] {
  return replaced(events, 'commit', isApply, (commit) => [withChanges(commit, [])]);
}

function signatures(id: string, history: readonly HistoryEvent[], frame = {}): readonly string[] {
  const verdict = verdictOf(id, good, history, frame);
  expect(verdict.valid, `${id}: ${verdict.judged}`).toBe(false);
  return verdict.witnesses.map(({ signature }) => signature);
}

test('a good history is good by every property that can be judged', () => {
  const wrong = PROPERTIES.map(({ id, check }) => [id, check(good).valid] as const).filter(
    ([id, valid]) => valid === false && id !== 'A16',
  );
  expect(wrong).toEqual([]);
  const judged = PROPERTIES.filter(({ check }) => check(good).valid === true);
  expect(judged.length).toBeGreaterThanOrEqual(15);
});

test('A1: a row that only one region has', () => {
  expect(signatures('A1', withoutRow())).toContain('equal vectors, different rows');
});

test('A2: all regions agree on what nobody wrote', () => {
  const row = { id: 'nobody wrote this' };
  const invented = good.frame.regions.map((region) =>
    commitOf(region, [{ kind: 'insert', table: 'public.orders', new: row }]),
  );
  expect(signatures('A2', [...events, ...invented])).toContain('a row too many in public.orders');
});

test('A3: an acknowledged write is nowhere but at home', () => {
  const dropped = events.filter(
    (event) =>
      event.kind !== 'logged' ||
      event.transactions.every((tx) => !(tx.region === 'us' && tx.sequence >= 60)),
  );
  expect(signatures('A3', dropped)).toContain('an acknowledged write is lost');
});

test('A4: a failed write is committed all the same; a logged one never was', () => {
  const failed = replaced(
    events,
    'ok',
    (event) => event.commitLsn !== null,
    (event) => [{ ...event, kind: 'fail', error: '40001' }],
  );
  expect(signatures('A4', failed)).toContain('a failed write is committed');
  const invented = replaced(events, 'logged', isOwn, (event) => [
    {
      ...event,
      transactions: event.transactions.map((tx) => ({
        ...tx,
        commitLsn: 1 as typeof tx.commitLsn,
      })),
    },
  ]);
  expect(signatures('A4', invented)).toContain('logged, never committed');
});

test('A5: an increment counts twice; the vector goes back', () => {
  const last = events.findLast(
    (event) => event.kind === 'commit' && event.by === 'apply' && event.changes.some(movesStock),
  );
  const doubled = replaced(
    events,
    'commit',
    (commit) => commit === last,
    (commit) => [withChanges(commit, commit.changes.map(oneMore))],
  );
  expect(signatures('A5', doubled)[0]).toContain('is not the sum of its increments');
  const back = replaced(events, 'commit', isApply, (commit) => [
    commit,
    { ...commit, changes: [], vector: '' },
  ]);
  expect(signatures('A5', back)).toContain('the applied vector went back');
});

function movesStock(change: CommitEvent['changes'][number]): boolean {
  return change.kind === 'update' && change.old['stock'] !== change.new['stock'];
}

function oneMore(change: CommitEvent['changes'][number]): CommitEvent['changes'][number] {
  if (change.kind !== 'update') return change;
  const stock = String(Number(change.new['stock']) + 1);
  return { ...change, new: { ...change.new, stock } };
}

test('A6: an effect before its cause; causes that the log does not name', () => {
  const early = replaced(
    events,
    'commit',
    (commit) => isApply(commit) && commit.region === 'ap',
    (commit) => {
      const vector = new Map(parseVector(commit.vector ?? ''));
      for (const replica of vector.keys()) if (replica.startsWith('eu')) vector.set(replica, 1);
      return [{ ...commit, vector: formatVector(vector) }];
    },
  );
  expect(verdictOf('A6', good, early).valid).toBe(false);
  const forgotten = replaced(
    events,
    'logged',
    (event) => isOwn(event) && event.transactions.some(({ deps }) => deps.size > 0),
    (event) => [
      { ...event, transactions: event.transactions.map((tx) => ({ ...tx, deps: new Map() })) },
    ],
  );
  expect(signatures('A6', forgotten)).toContain('the log names other causes than were visible');
});

test('A7: a transaction is visible in part', () => {
  expect(signatures('A7', withoutRow())[0]).toMatch(/missing|wrong value|too many/);
});

test('A14: called stable before everybody had it', () => {
  const claim: HistoryEvent = {
    kind: 'gauge',
    atUs: 2_000_000,
    region: good.frame.regions[0] ?? never(),
    stable: 'us.1:100000',
    values: {},
  };
  expect(signatures('A14', [...events, claim])).toContain(
    'called stable before every region had it',
  );
});

test('A15: metadata stays', () => {
  const left: HistoryEvent = {
    kind: 'gauge',
    atUs: good.frame.endUs,
    region: good.frame.regions[0] ?? never(),
    stable: null,
    values: { indexKeys: 17 },
  };
  expect(signatures('A15', [...events, left])).toContain('indexKeys are left at rest');
});

test('A16: a conflict nobody recorded, and one that was none', () => {
  expect(signatures('A16', events)).toContain('a conflict is not recorded');
  const record: ConflictChange = {
    kind: 'add',
    relation: 'public.products',
    key: 'p0',
    column: 'name',
    what: 'update-update',
    winner: 'eu.1:1',
    loser: 'us.1:1',
    winnerValue: null,
    loserValue: null,
  };
  const invented = replaced(events, 'commit', isApply, (commit) => [
    { ...commit, conflicts: [record] },
  ]);
  const verdict = verdictOf('A16', good, invented);
  expect(verdict.valid).toBe(false);
  const names = verdict.witnesses.map(({ signature }) => signature);
  expect(names).toContain('a conflict is recorded that was none');
});

test('A17: two owners of one unique key', () => {
  const tables = good.frame.tables.map((table) =>
    table.name === 'public.orders' ? { ...table, unique: [['note']] } : table,
  );
  const base = { tables };
  const [first, second] = good.frame.regions;
  const owner = (region: typeof first, id: string): HistoryEvent =>
    commitOf(region ?? never(), [
      { kind: 'insert', table: 'public.orders', new: { id, note: 'mine' } },
    ]);
  const both = [...events, owner(first, 'x'), owner(second, 'y')];
  expect(signatures('A17', both, base)[0]).toContain('two owners of one unique key');
});

test('A18: a child without its parent', () => {
  const key = { columns: ['product'], references: 'public.products', onDelete: 'cascade' as const };
  const tables = good.frame.tables.map((table) =>
    table.name === 'public.orders' ? { ...table, foreignKeys: [key] } : table,
  );
  const row = { id: 'orphan', product: 'nothing' };
  const orphan = commitOf(good.frame.regions[0] ?? never(), [
    { kind: 'insert', table: 'public.orders', new: row },
  ]);
  expect(signatures('A18', [...events, orphan], { tables })[0]).toContain('without its parent');
});

test('A19 and A20: a stamp before its cause, a stamp far ahead', () => {
  const stamped = (hlc: number): readonly HistoryEvent[] =>
    replaced(events, 'logged', isOwn, (event) => [
      { ...event, transactions: event.transactions.map((tx) => ({ ...tx, hlc: hlc as Hlc })) },
    ]);
  expect(signatures('A19', stamped(1))).toContain('an effect is stamped earlier than its cause');
  const ahead = stamped(good.frame.epochUs + 3_600_000_000);
  expect(signatures('A20', ahead)).toContain('a stamp further ahead than any clock was wrong');
});

test('A21: two contents under one name', () => {
  const changed = replaced(
    events,
    'logged',
    (event) => !event.replica.startsWith(`${event.region}.`),
    (event) => [{ ...event, transactions: event.transactions.map((tx) => ({ ...tx, ops: [] })) }],
  );
  expect(signatures('A21', changed)).toContain('two contents under one name');
});

test('A22: applied, but never in the local log', () => {
  const unlogged = events.filter((event) => event.kind !== 'logged' || event.region !== 'ap');
  expect(signatures('A22', unlogged)).toContain('applied without being in the local log');
});

test('A23: the slot runs ahead of the log, and of what a power cut takes', () => {
  const commit = events.find((event) => event.kind === 'commit' && event.by === 'user');
  const region = commit?.kind === 'commit' ? commit.region : never();
  const ahead: HistoryEvent = { kind: 'confirm', atUs: 1, region, lsn: 1e12 };
  const at = events.findIndex((event) => event === commit);
  const early = [...events.slice(0, at + 1), ahead, ...events.slice(at + 1)];
  expect(signatures('A23', early)).toContain('the slot is confirmed past what is not logged');
  const atUs = good.frame.endUs;
  const replica = good.transactions.values().next().value?.header.replica ?? never();
  const cut: readonly HistoryEvent[] = [
    { kind: 'confirm', atUs, region, lsn: 1e12 },
    { kind: 'log-lost', atUs, region, replica, afterEndLsn: 0 },
  ];
  expect(signatures('A23', [...events, ...cut])).toContain(
    'the slot is confirmed past what a power cut took from the log',
  );
});

test('A24: a refused row that status does not show', () => {
  const region = good.frame.regions[0] ?? never();
  const put = { kind: 'put', relation: 'public.orders', key: 'x', wanted: '{"id":"x"}' } as const;
  const refused: HistoryEvent = { ...commitOf(region, []), quarantine: [put] };
  const values = { quarantined: 0 };
  const blind: HistoryEvent = {
    kind: 'gauge',
    atUs: good.frame.endUs,
    region,
    stable: null,
    values,
  };
  expect(verdictOf('A24', good, [...events, refused]).valid).toBe(true);
  expect(signatures('A24', [...events, refused, blind])).toContain(
    'a refused row does not show in status',
  );
});

test('A26: survivors keep different prefixes of a lost region', () => {
  const dropped = events.filter(
    (event) => !(event.kind === 'commit' && event.region === 'ap' && event.atUs > 5_000_000),
  );
  const [lost] = good.frame.regions;
  const frame = { lostRegions: [lost ?? never()] };
  expect(signatures('A26', dropped, frame)).toContain(
    'survivors keep different prefixes of a lost region',
  );
});

test('A27: a region never gets there', () => {
  const stuck = events.filter(
    (event) => !(event.kind === 'commit' && event.region === 'ap' && event.by === 'apply'),
  );
  expect(signatures('A27', stuck)).toContain('regions do not converge in time');
});

test('A28: frames are stored again and again', () => {
  const again = events.flatMap((event): readonly HistoryEvent[] =>
    event.kind === 'logged' ? [event, event, event, event, event] : [event],
  );
  expect(signatures('A28', again)).toContain('frames are stored again and again');
});

test('A29: a healthy region does not answer, or with an error nobody documented', () => {
  const silent = events.filter((event) => event.kind !== 'ok' || event.op % 3 > 0);
  expect(signatures('A29', silent)).toContain('healthy regions did not answer');
  const odd = events.map((event) =>
    event.kind === 'ok' && event.op === 60
      ? { ...event, kind: 'fail' as const, error: 'XX000' }
      : event,
  );
  expect(signatures('A29', odd)).toContain('an undocumented error: XX000');
});

test('A30: the repeated run differed', () => {
  const repeated = { kind: 'different', text: 'at event 17' } as const;
  expect(signatures('A30', events, { repeated })).toContain('not deterministic');
});

test('A32: what apply wrote is captured', () => {
  const apply = events.find((event) => event.kind === 'commit' && isApply(event));
  if (apply?.kind !== 'commit') throw new Error('nothing applied');
  const looped = replaced(
    events,
    'logged',
    (event) => isOwn(event) && event.region === apply.region,
    (event) => [
      {
        ...event,
        transactions: event.transactions.map((tx) => ({
          ...tx,
          commitLsn: apply.lsn as typeof tx.commitLsn,
        })),
      },
    ],
  );
  expect(signatures('A32', looped)).toContain('a merged write came back as a new one');
});

function commitOf(region: CommitEvent['region'], changes: CommitEvent['changes']): CommitEvent {
  const lsn = 900_000_000;
  const none = { op: null, conflicts: [], quarantine: [], vector: null };
  return {
    kind: 'commit',
    atUs: good.frame.endUs,
    region,
    lsn,
    xid: 1,
    by: 'apply',
    changes,
    ...none,
  };
}

function never(): never {
  throw new Error('not reached');
}
