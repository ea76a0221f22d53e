import { afterEach, expect, test } from 'vitest';
import type { RegionId } from '#core/region.ts';
import { formatDot } from '#core/transaction.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import type { FeedListener } from '#gateway/feed/change-feed.ts';
import type { Release } from '#gateway/feed/release-order.ts';
import { decodeToken } from '#gateway/session/causal-token.ts';
import { frameOf, LoggedHistory, REGIONS } from '#tests/gateway/feed/logged-history.ts';
import { RegionFeed } from '#tests/gateway/feed/region-feed.ts';
import { ManualTime } from '#tests/replicator/engine/manual-time.ts';

const [EU, US] = REGIONS as readonly [RegionId, RegionId, RegionId];
const feeds = new Set<RegionFeed>();

afterEach(() => {
  for (const feed of feeds) feed.stop();
  feeds.clear();
});

function euFeed() {
  const time = new ManualTime();
  const world = new RegionFeed(EU, time);
  feeds.add(world);
  return { feed: world.feed, time, world, log: (region: RegionId) => world.log(region) };
}

function collector(): FeedListener & { readonly dots: string[]; interruptions: number } {
  const dots: string[] = [];
  return {
    dots,
    interruptions: 0,
    released: (releases: readonly Release[]) => {
      for (const { transaction } of releases) dots.push(formatDot(transaction.header));
    },
    interrupted() {
      this.interruptions++;
    },
  };
}

test('an own transaction is released when logged, a peer’s when the database shows it', async () => {
  const history = new LoggedHistory();
  const { feed, time, world, log } = euFeed();
  await time.pass(10);
  const listener = collector();
  expect(feed.attach(feed.released ?? EMPTY_VECTOR, listener)?.backlog).toEqual([]);
  const remote = history.write(US);
  log(US).store(frameOf(remote));
  await time.pass(100);
  expect(listener.dots).toEqual([]);
  log(EU).store(frameOf(history.write(EU)));
  await time.pass(10);
  expect(listener.dots).toEqual(['eu.1:1']);
  world.applied = history.seen(US);
  await time.pass(100);
  expect(listener.dots).toEqual(['eu.1:1', 'us.1:1']);
});

test('an own answer to a remote question waits for the question', async () => {
  const history = new LoggedHistory();
  const { feed, time, world, log } = euFeed();
  await time.pass(10);
  const listener = collector();
  feed.attach(EMPTY_VECTOR, listener);
  const question = history.write(US);
  history.apply(EU, US);
  const answer = history.write(EU);
  log(EU).store(frameOf(answer));
  world.applied = history.seen(US);
  await time.pass(60);
  expect(listener.dots).toEqual([]);
  log(US).store(frameOf(question));
  await time.pass(60);
  expect(listener.dots).toEqual(['us.1:1', 'eu.1:1']);
});

test('what was released is at hand for whoever comes a little later', async () => {
  const history = new LoggedHistory();
  const { feed, time, log } = euFeed();
  await time.pass(10);
  for (let i = 0; i < 3; i++) log(EU).store(frameOf(history.write(EU)));
  await time.pass(10);
  const cursor = new Map([[LoggedHistory.replica(EU), 1]]);
  const attached = feed.attach(cursor, collector());
  expect(attached?.backlog.map(({ transaction }) => transaction.header.sequence)).toEqual([2, 3]);
});

test('a token is waited for, and the wait is bounded', async () => {
  const history = new LoggedHistory();
  const { feed, time, world, log } = euFeed();
  await time.pass(10);
  const remote = history.write(US);
  const { signal } = new AbortController();
  const text = `1~us.1:1@${remote.endLsn.toString(16)}`;
  const decoded = decodeToken(text, REGIONS);
  if (decoded.kind !== 'token') throw new Error(decoded.why);
  const late = feed.waits.until(decoded.token, 100, signal);
  await time.pass(100);
  expect(await late).toBe('timeout');
  const wait = feed.waits.until(decoded.token, 1000, signal);
  world.applied = history.seen(US);
  await time.pass(100);
  expect(feed.waits.count).toBe(1); // The place in the WAL is known to be passed only from the log.
  log(US).store(frameOf(remote));
  await time.pass(100);
  expect(await wait).toBe('covered');
  expect(feed.waits.count).toBe(0);
});

test('a database that shows less than before interrupts the feed, and it begins anew', async () => {
  const history = new LoggedHistory();
  const { feed, time, world, log } = euFeed();
  log(US).store(frameOf(history.write(US)));
  world.applied = history.seen(US);
  await time.pass(1500);
  const listener = collector();
  feed.attach(feed.released ?? EMPTY_VECTOR, listener);
  const token = { seen: world.applied, written: new Map() };
  expect(feed.frontier.covers(token)).toBe(true);
  world.applied = EMPTY_VECTOR;
  await time.pass(1100);
  expect(listener.interruptions).toBe(1);
  await time.pass(500);
  expect(feed.running).toBe(true);
  expect(feed.frontier.covers(token)).toBe(false);
});
