import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import {
  EU,
  STREAM,
  appendAll,
  codeOf,
  frame,
  numberOf,
  openLog,
  range,
  readTo,
} from './log-fixture.ts';
import type { LogFixture } from './log-fixture.ts';

let log: LogFixture;

beforeAll(async () => {
  log = await openLog();
});
afterEach(async () => {
  const manager = await log.manager();
  await manager.streams.delete(STREAM).catch(() => {});
});
afterAll(() => log.close());

test('positions count from 1 and what was stored is found again', async () => {
  const stream = await log.stream();
  expect(await stream.bounds()).toEqual({ first: 1, last: 0, bytes: 0 });
  expect(await stream.lastEntry()).toBeNull();
  expect(await stream.append(frame(1), 0)).toBe(1);
  expect(await stream.append(frame(2), 1)).toBe(2);
  expect(await stream.bounds()).toMatchObject({ first: 1, last: 2 });
  expect(numberOf(must(await stream.lastEntry(), 'last'))).toBe(2);
  expect(numberOf(must(await stream.entryAt(1), 'first'))).toBe(1);
  expect(await stream.entryAt(3)).toBeNull();
});

test('a stream that nobody created is null, and its settings are ours when we do', async () => {
  const store = await log.stores({ limits: { streamBytesMax: 5_000_000 } }).local();
  expect(store.serverVersion).toMatch(/^\d+\.\d+\.\d+$/);
  expect(store.maxPayload).toBe(1_048_576);
  expect(await store.stream(EU, false)).toBeNull();
  const created = await store.stream(EU, true);
  expect(created).not.toBeNull();
  expect(await store.stream(EU, false)).toBe(created);
  const { config } = await (await log.manager()).streams.info(STREAM);
  expect(config).toMatchObject({
    subjects: ['everywrite.test.log.eu'],
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_age: 0,
    max_msgs: -1,
    max_bytes: 5_000_000,
    max_msg_size: 1_048_576,
    num_replicas: 1,
  });
  // Another limit in the configuration reaches an older stream.
  const later = await log.stores({ limits: { streamBytesMax: 6_000_000 } }).local();
  await later.stream(EU, true);
  expect((await (await log.manager()).streams.info(STREAM)).config.max_bytes).toBe(6_000_000);
});

test('hundreds in flight resolve in order, at the predicted positions', async () => {
  const stream = await log.stream();
  const order: number[] = [];
  const appends = range(1, 3_000).map(async (n) => {
    order.push(await stream.append(frame(n, 1_024), n - 1));
  });
  await Promise.all(appends);
  expect(order).toEqual(range(1, 3_000));
});

test('the window holds back what exceeds it, and loses nothing', async () => {
  const stream = await log.stream({ limits: { inFlightMax: 3, inFlightBytesMax: 2_000 } });
  expect(await appendAll(stream, 1, 200, 900)).toEqual(range(1, 200));
});

test('of two publishers one is fenced, with all that it had in flight', async () => {
  const [one, two] = [await log.stream(), await log.stream()];
  await appendAll(one, 1, 10);
  // The server would take the second of these: it expects position 10 to be the last one, and it is.
  const late = range(10, 40).map((n) => codeOf(two.append(frame(n), n - 1)));
  expect(new Set(await Promise.all(late))).toEqual(new Set(['LOG_FENCED']));
  expect((await one.bounds()).last).toBe(10);
  // Nor what is predicted upon a failed append and called later.
  expect(await codeOf(two.append(frame(11), 10))).toBe('LOG_FENCED');
  expect((await one.bounds()).last).toBe(10);
  expect((await two.lastEntry())?.position).toBe(10);
  expect(await two.append(frame(11), 10)).toBe(11);
});

test('racing for the same positions, one gets all of them', async () => {
  const [one, two] = [await log.stream(), await log.stream()];
  const ones = range(1, 50).map((n) => one.append(frame(n), n - 1));
  const twos = range(1, 50).map((n) => two.append(frame(n + 1_000), n - 1));
  const outcomes = await Promise.all([Promise.allSettled(ones), Promise.allSettled(twos)]);
  const stored = outcomes.map((all) => all.filter(({ status }) => status === 'fulfilled'));
  expect(new Set(stored.map(({ length }) => length))).toEqual(new Set([0, 50]));
  expect((await readTo(one, 1, 50)).map((entry) => numberOf(entry) % 1_000)).toEqual(range(1, 50));
});

test('a full stream says LOG_FULL with a remedy, and takes frames again after a trim', async () => {
  const stream = await log.stream({ limits: { streamBytesMax: 100_000 } });
  const results = await Promise.allSettled(
    range(1, 20).map((n) => stream.append(frame(n, 10_000), n - 1)),
  );
  const stored = results.filter((result) => result.status === 'fulfilled').length;
  expect(stored).toBe(9);
  await expect(stream.append(frame(10, 10_000), 9)).rejects.toMatchObject({
    code: 'LOG_FULL',
    recovery: 'operator',
    message: expect.stringMatching(/maximum bytes exceeded.*max_bytes/),
  });
  await stream.trim(6);
  expect(await stream.bounds()).toMatchObject({ first: 6, last: 9 });
  expect(await stream.append(frame(10, 10_000), 9)).toBe(10);
  await stream.trim(11);
  expect(await stream.bounds()).toMatchObject({ first: 11, last: 10 });
  expect(await stream.lastEntry()).toBeNull();
  expect(await stream.append(frame(11), 10)).toBe(11);
});

test('a frame beyond the server’s limit is refused before it is sent', async () => {
  const store = await log.stores().local();
  const stream = must(await store.stream(EU, true), 'stream');
  expect(await codeOf(stream.append(new Uint8Array(store.maxFrameBytes + 1), 0))).toBe(
    'TRANSACTION_TOO_LARGE',
  );
  expect(await stream.append(new Uint8Array(store.maxFrameBytes), 0)).toBe(1);
  expect((await stream.entryAt(1))?.frame).toHaveLength(store.maxFrameBytes);
  expect((await stream.lastEntry())?.frame).toHaveLength(store.maxFrameBytes);
});

test('appends to a deleted stream find nobody, and say so', async () => {
  const stream = await log.stream();
  await (await log.manager()).streams.delete(STREAM);
  expect(await codeOf(stream.append(frame(1), 0))).toBe('LOG_UNREACHABLE');
  expect(await codeOf(stream.bounds())).toBe('LOG_UNREACHABLE');
});

test('a cluster name that would be rewritten is refused', () => {
  const config = { cluster: 'a.b', region: EU, localUrl: log.server.url, peerUrls: {} };
  expect(() => new NatsLogStores(config)).toThrow(/not a cluster name/);
});
