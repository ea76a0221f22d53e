import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import {
  EU,
  US,
  appendAll,
  codeOf,
  frame,
  numberOf,
  openLog,
  range,
  readTo,
} from './log-fixture.ts';
import type { LogFixture } from './log-fixture.ts';

const PING_MS = 200;
const limits = { peerPingMs: PING_MS, connectTimeoutMs: 400 };

let log: LogFixture;
let proxy: LinkProxy;

beforeEach(async () => {
  log = await openLog();
  proxy = await startLinkProxy({ targetPort: log.server.port });
});
afterEach(async () => {
  await log.close();
  await proxy.close();
});

async function peer(peerPatienceMs = 300) {
  const url = `nats://127.0.0.1:${proxy.port}`;
  const stores = log.stores({
    region: US,
    peerUrls: { eu: url },
    limits: { ...limits, peerPatienceMs },
  });
  const store = await stores.peer(EU);
  const stream = must(await store.stream(EU, true), 'stream');
  return { stores, store, stream };
}

async function until(condition: () => boolean, withinMs: number): Promise<number> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > withinMs) throw new Error(`not within ${withinMs} ms`);
    await sleep(5);
  }
  return performance.now() - start;
}

test('a link that swallows everything is noticed by reader, publisher and connected()', async () => {
  const { store, stream, stores } = await peer();
  await appendAll(stream, 1, 10);
  const reading = readTo(stream, 1, 20);
  await sleep(100);
  proxy.cut('drop');
  const append = codeOf(stream.append(frame(11), 10));
  const reader = codeOf(reading);
  const noticed = await until(() => !store.connected(), PING_MS * 4);
  expect(noticed).toBeGreaterThan(PING_MS);
  expect(await append).toBe('LOG_UNREACHABLE');
  expect(await reader).toBe('LOG_UNREACHABLE');
  expect(await codeOf(stores.peer(EU))).toBe('PEER_UNREACHABLE');
  proxy.heal();
  await until(() => store.connected(), 5_000);
  expect(await stores.peer(EU)).toBe(store);
  expect((await readTo(stream, 1, 10)).map(numberOf)).toEqual(range(1, 10));
});

test('so is one with megabytes stuck in the socket', async () => {
  const { store, stream } = await peer();
  proxy.cut('drop');
  const appends = range(1, 100).map((n) => codeOf(stream.append(frame(n, 500_000), n - 1)));
  await until(() => !store.connected(), PING_MS * 5);
  expect(new Set(await Promise.all(appends))).toEqual(new Set(['LOG_UNREACHABLE']));
  proxy.heal();
  await until(() => store.connected(), 5_000);
});

test('a long partition costs no more than a few sockets', async () => {
  const { store } = await peer();
  proxy.cut('drop');
  await until(() => !store.connected(), PING_MS * 4);
  await sleep(4_000);
  expect(proxy.stats().connections).toBeLessThan(4);
});

test('a short partition is bridged: the reader goes on behind what it had', async () => {
  const { stream } = await peer(5_000);
  const own = await log.stream();
  const reading = readTo(stream, 1, 3_000);
  for (const round of range(0, 5)) {
    await appendAll(own, round * 500 + 1, round * 500 + 500, 200);
    if (round % 2 === 1) continue;
    proxy.cut('reset');
    await sleep(20);
    proxy.heal();
  }
  expect((await reading).map(numberOf)).toEqual(range(1, 3_000));
});

test('a region without an address is a mistake in the configuration', async () => {
  const { stores } = await peer();
  expect(await codeOf(stores.peer(US))).toBe('CONFIG_INVALID');
});
