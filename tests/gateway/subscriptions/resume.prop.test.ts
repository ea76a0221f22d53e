import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { RegionId } from '#core/region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { formatDot, happenedBefore } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import { decodeToken } from '#gateway/session/causal-token.ts';
import type { ChangeQuery } from '#gateway/subscriptions/change-query.ts';
import { ChangeHub } from '#gateway/subscriptions/change-hub.ts';
import type { ChangeStart } from '#gateway/subscriptions/change-hub.ts';
import type { RunningOperation } from '#gateway/subscriptions/operation.ts';
import { RegionFeed } from '#tests/gateway/feed/region-feed.ts';
import { frameOf, LoggedHistory, REGIONS } from '#tests/gateway/feed/logged-history.ts';
import { ManualTime } from '#tests/replicator/engine/manual-time.ts';

const [EU, US, AP] = REGIONS as readonly [RegionId, RegionId, RegionId];

/** Everybody sees every row; an answer lists the dots that it tells of. */
const NOTES: ChangeQuery = {
  signature: 'notes',
  table: { schema: 'public', name: 'notes' },
  sight: 'open',
  filterColumns: new Set(),
  wants: () => true,
  read: (keys) => Promise.resolve(new Map(keys.map((key) => [key, '{}']))),
  readAll: async function* readAll() {
    yield await Promise.resolve([]);
  },
  render: (changes) => JSON.stringify({ data: changes.map(({ key }) => key) }),
};

/** A client that keeps the cursor of what it has processed, and nothing else. */
class Client {
  readonly seen: string[] = [];
  cursor: string | null = null;
  #running: RunningOperation | null = null;

  connect(hub: ChangeHub): void {
    this.disconnect();
    const start = startAt(this.cursor);
    const connection = {
      next: (payload: Buffer, cursor: string | null): boolean => {
        const { data } = JSON.parse(payload.toString()) as { data: string[] };
        this.seen.push(...data);
        this.cursor = cursor ?? this.cursor;
        return true;
      },
      error: (errors: string) => expect(errors).toBe('no error'),
      complete: () => undefined,
    };
    this.#running = hub.subscribe(NOTES, start, connection);
  }

  /** As a ping would tell an idle client. */
  pinged(): void {
    this.cursor = this.#running?.cursor() ?? this.cursor;
  }

  disconnect(): void {
    this.#running?.cancel();
    this.#running = null;
  }
}

function startAt(cursor: string | null): ChangeStart {
  if (cursor === null) return { kind: 'now' };
  const decoded = decodeToken(cursor, REGIONS);
  if (decoded.kind === 'refused') throw new Error(decoded.why);
  return { kind: 'after', cursor: decoded.token.seen };
}

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write'), at: fc.nat(2), to: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync'), at: fc.nat(2), to: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('move'), at: fc.nat(1), to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait'), at: fc.nat(1), to: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ping'), at: fc.nat(1), to: fc.nat(1) }) },
);

test('however clients move between regions, they are told of each transaction once, causes first', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const time = new ManualTime();
      const history = new LoggedHistory();
      const places = [EU, US].map((region) => ({ region, world: new RegionFeed(region, time) }));
      const hubs = places.map(({ world }) => new ChangeHub(world.feed, time, fail));
      const clients = [new Client(), new Client()];
      await time.pass(20);
      const at = [0, 1];
      for (const [n, client] of clients.entries()) client.connect(must(hubs[n], 'hub'));
      await time.pass(20);
      for (const { kind, at: left, to } of actions) {
        const region = must(REGIONS[left], 'region');
        if (kind === 'write') logged(places, history.write(region));
        else if (kind === 'sync') synced(places, history, region, must(REGIONS[to], 'region'));
        else if (kind === 'wait') await time.pass(7);
        else if (kind === 'ping') clients[left]?.pinged();
        else {
          at[left] = to;
          clients[left]?.connect(must(hubs[to], 'hub'));
        }
      }
      for (const { region } of places) {
        for (const other of [EU, US, AP]) synced(places, history, region, other);
      }
      for (const { region } of places) {
        for (const other of [EU, US, AP]) synced(places, history, region, other);
      }
      await time.pass(500);
      for (const client of clients) {
        const dots = history.transactions.map(formatDot);
        expect(client.seen.toSorted()).toEqual(dots.toSorted());
        expectCausesFirst(history, client.seen);
        client.disconnect();
      }
      expect(hubs.map((hub) => [hub.subscriptions, hub.groups])).toEqual([
        [0, 0],
        [0, 0],
      ]);
      for (const { world } of places) world.stop();
    }),
    { numRuns: 150 },
  );
});

type Places = readonly { readonly region: RegionId; readonly world: RegionFeed }[];

/** Own logs have it at once; copies when the regions sync. */
function logged(places: Places, transaction: ChangeTransaction): void {
  for (const { region, world } of places) {
    if (region === transaction.region) world.log(region).store(frameOf(transaction));
  }
}

/** `region` copies and applies what `other` has. */
function synced(places: Places, history: LoggedHistory, region: RegionId, other: RegionId): void {
  history.apply(region, other);
  const seen = history.seen(region);
  for (const { region: here, world } of places) {
    if (here !== region) continue;
    for (const transaction of history.transactions) {
      const { replica, sequence } = transaction;
      if (transaction.region === here || sequence > sequenceOf(seen, replica)) continue;
      const log = world.log(transaction.region);
      if (log.entries.length < sequence) log.store(frameOf(transaction));
    }
    world.applied = seen;
  }
}

function expectCausesFirst(history: LoggedHistory, seen: readonly string[]): void {
  const order = seen.map((dot) =>
    must(
      history.transactions.find((t) => formatDot(t) === dot),
      dot,
    ),
  );
  for (const [at, later] of order.entries()) {
    for (const next of order.slice(at + 1)) {
      if (happenedBefore(next, later)) throw new Error(`${formatDot(next)} came after its effect`);
    }
  }
}

function fail(error: unknown): never {
  throw error;
}
