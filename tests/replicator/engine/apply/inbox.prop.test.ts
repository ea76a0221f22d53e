import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RegionId } from '#core/region.ts';
import { WHOLE } from '#core/transaction.ts';
import { relationId } from '#core/relation.ts';
import type { ChangeTransaction, KeyedOp } from '#core/transaction.ts';
import { covers } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { Inbox } from '#replicator/engine/apply/inbox.ts';
import type { InboxItem } from '#replicator/engine/apply/inbox.ts';
import {
  chooser,
  draws,
  MEMBERS,
  playRegions,
  REPLICAS,
} from '#tests/conflict/region-histories.ts';

const ORIGINS = MEMBERS;
const { signal } = new AbortController();
const rows = (count: number) => ({ rows: count, operations: Infinity });
const ALL_WHOLE = (): number => Infinity;

function item(transaction: ChangeTransaction): InboxItem {
  return { kind: 'transaction', transaction, piece: WHOLE, bytes: 100 };
}

function truncates(transaction: ChangeTransaction): boolean {
  return transaction.ops.some(({ kind }) => kind === 'truncate');
}

function rowOf({ relation, key }: KeyedOp): string {
  return `${relationId(relation)} ${key}`;
}

async function feed(
  history: readonly ChangeTransaction[],
  choose: (count: number) => number,
  selected: (batch: readonly ChangeTransaction[], maxRows: number, inbox: Inbox) => void,
): Promise<readonly ChangeTransaction[]> {
  const inbox = new Inbox(ORIGINS, 1e9);
  const queues = new Map(
    REPLICAS.map((name, at) => [
      ORIGINS[at] as RegionId,
      history.filter((t) => t.replica === name),
    ]),
  );
  let vector: ReadonlyMap<(typeof REPLICAS)[number], number> = new Map();
  const applied: ChangeTransaction[] = [];
  for (let idle = 0; idle < 30; idle++) {
    const origin = ORIGINS[choose(3)] as RegionId;
    const some = queues.get(origin)?.splice(0, choose(4)) ?? [];
    // Whatever a reader repeats is skipped.
    const again = applied.filter(({ region }) => region === origin).slice(-choose(2));
    await inbox.offer(origin, [...again, ...some].map(item), signal);
    const maxRows = 1 + choose(6);
    const limits = { rows: maxRows, operations: maxRows * 3 };
    const selection = inbox.select(vector, ORIGINS, limits, ALL_WHOLE);
    if (choose(5) === 0) continue;
    selected(selection.transactions, maxRows, inbox);
    for (const { region, sequence, vector: seen } of selection.observations) {
      const name = REPLICAS[ORIGINS.indexOf(region)];
      expect(covers(selection.vector, seen)).toBe(true);
      expect(selection.vector.get(name as never) ?? 0).toBeGreaterThanOrEqual(sequence);
    }
    vector = selection.vector;
    applied.push(...selection.transactions);
    inbox.accept(selection);
    if (some.length > 0 || selection.transactions.length > 0) idle = 0;
  }
  return applied;
}

test('whatever order origins deliver in, transactions leave whole, once, after all that they had seen', async () => {
  await fc.assert(
    fc.asyncProperty(draws(3, 40), fc.infiniteStream(fc.nat()), async (steps, numbers) => {
      const history = playRegions(steps);
      const applied = await feed(history, chooser(numbers), () => undefined);
      expect(new Set(applied).size).toBe(applied.length);
      expect(applied).toHaveLength(history.length);
      const seen = new Map<string, number>();
      for (const { replica, sequence, deps } of applied) {
        expect(sequence).toBe((seen.get(replica) ?? 0) + 1);
        for (const [other, n] of deps) expect(seen.get(other) ?? 0).toBeGreaterThanOrEqual(n);
        seen.set(replica, sequence);
      }
    }),
    { numRuns: 200 },
  );
});

test('a batch stays within its rows unless one transaction is larger, and TRUNCATE is alone', async () => {
  await fc.assert(
    fc.asyncProperty(draws(3, 40), fc.infiniteStream(fc.nat()), async (steps, numbers) => {
      await feed(playRegions(steps), chooser(numbers), (batch, maxRows) => {
        const ops = batch.flatMap((transaction) => transaction.ops);
        const rows = new Set(ops.flatMap((op) => (op.kind === 'truncate' ? [] : [rowOf(op)])));
        if (batch.length > 1) {
          expect(rows.size).toBeLessThanOrEqual(maxRows);
          expect(ops.length).toBeLessThanOrEqual(maxRows * 3);
        }
        if (batch.some(truncates)) expect(batch).toHaveLength(1);
      });
    }),
    { numRuns: 200 },
  );
});

test('an origin whose queue is over its bound waits until something is taken', async () => {
  const history = playRegions([
    { region: 0, action: 0, key: 0, value: 0, clock: 0, more: false },
    { region: 0, action: 5, key: 0, value: 1, clock: 0, more: false },
  ]);
  const [origin] = ORIGINS as [RegionId];
  const inbox = new Inbox([origin], 150);
  await inbox.offer(origin, history.map(item), signal);
  expect(inbox.depth(origin)).toEqual({ items: 2, bytes: 200 });
  let offered = false;
  const offering = inbox.offer(origin, [], signal).then(() => (offered = true));
  await Promise.resolve();
  expect(offered).toBe(false);
  inbox.accept(inbox.select(new Map(), [origin], rows(1), ALL_WHOLE));
  await offering;
  expect(inbox.depth(origin)).toEqual({ items: 1, bytes: 100 });
});

test('a heartbeat speaks only after everything before it has been applied', () => {
  const history = playRegions([{ region: 0, action: 0, key: 0, value: 0, clock: 0, more: false }]);
  const [origin] = ORIGINS as [RegionId];
  const [own, peer] = REPLICAS as [never, never];
  const inbox = new Inbox([origin], 1e6);
  const beat = {
    kind: 'heartbeat',
    replica: own,
    sequence: 1,
    vector: new Map(),
    bytes: 1,
  } as const;
  const blocked = history.map((t) => item({ ...t, deps: new Map([[peer, 1]]) }));
  void inbox.offer(origin, [...blocked, beat], signal);
  const early = inbox.select(new Map(), [origin], rows(10), ALL_WHOLE);
  expect([early.transactions, early.observations]).toEqual([[], []]);
  const late = inbox.select(new Map([[peer, 1]]), [origin], rows(10), ALL_WHOLE);
  expect(late.observations).toMatchObject([{ region: origin, sequence: 1, vector: new Map() }]);
  expect(late.transactions).toHaveLength(1);
});

test('a transaction in pieces is announced once all of it is here, and nothing is taken with it', async () => {
  const history = playRegions([
    { region: 0, action: 0, key: 0, value: 0, clock: 0, more: false },
    { region: 0, action: 5, key: 0, value: 1, clock: 0, more: false },
  ]);
  const [origin] = ORIGINS as [RegionId];
  const inbox = new Inbox([origin], 1e6);
  const [first, second] = history as [ChangeTransaction, ChangeTransaction];
  const parts = [1, 2].map((part): InboxItem => {
    const piece = { part, last: part === 2 };
    return { kind: 'transaction', transaction: second, piece, bytes: 100 };
  });
  await inbox.offer(origin, [item(first), ...parts], signal);
  const before = inbox.select(new Map(), [origin], rows(10), ALL_WHOLE);
  expect([before.transactions, before.large]).toEqual([[first], null]);
  inbox.accept(before);
  const unready = inbox.select(before.vector, [origin], rows(10), () => 1);
  expect([unready.transactions, unready.large]).toEqual([[], null]);
  const now = inbox.select(before.vector, [origin], rows(10), ALL_WHOLE);
  expect([now.transactions, now.large]).toEqual([[], origin]);
  expect(inbox.peek(origin)).toBe(second);
  expect((await inbox.takePiece(origin, signal))?.piece).toEqual({ part: 1, last: false });
  expect((await inbox.takePiece(origin, signal))?.piece).toEqual({ part: 2, last: true });
});

test('no origin waits for ever behind one that always has something', async () => {
  const [a, b] = ORIGINS as [RegionId, RegionId];
  const inbox = new Inbox([a, b], 1e9);
  const steps = (region: number, action: number) =>
    Array.from({ length: 30 }, (_, at) => ({
      region,
      action: at === 0 ? 0 : action,
      key: 0,
      value: 0,
      clock: 0,
      more: false,
    }));
  const busy = playRegions(steps(0, 6));
  const emptied = playRegions([{ region: 1, action: 8, key: 0, value: 0, clock: 0, more: false }]);
  await inbox.offer(b, emptied.map(item), signal);
  let vector: VersionVector = new Map();
  for (const transaction of busy) {
    await inbox.offer(a, [item(transaction)], signal);
    const selection = inbox.select(vector, [a, b], rows(100), ALL_WHOLE);
    inbox.accept(selection);
    vector = selection.vector;
  }
  expect(inbox.depth(b).items).toBe(0);
});

test('updates of one row do not fill a batch', async () => {
  const [origin] = ORIGINS as [RegionId];
  const inbox = new Inbox([origin], 1e9);
  const steps = [0, 5, 5, 5, 5].map((action, value) => ({
    region: 0,
    action,
    key: 0,
    value,
    clock: 0,
    more: false,
  }));
  const history = playRegions(steps);
  await inbox.offer(origin, history.map(item), signal);
  expect(new Set(history.flatMap(({ ops }) => ops as KeyedOp[]).map(rowOf)).size).toBe(1);
  const hot = inbox.select(new Map(), [origin], rows(2), ALL_WHOLE);
  expect(hot.transactions).toEqual(history);
  const narrowed = inbox.select(new Map(), [origin], { rows: 1, operations: 1 }, ALL_WHOLE);
  expect(narrowed.transactions).toEqual(history.slice(0, 1));
});
