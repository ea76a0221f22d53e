import { cp, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
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

let log: LogFixture;

beforeEach(async () => {
  log = await openLog();
});
afterEach(() => log.close());

test('after kill -9 in mid-flight the last entry tells where to go on', async () => {
  const stream = await log.stream();
  let acknowledged = 0;
  for (const attempt of [1, 2, 3]) {
    // What the caller does after LOG_UNREACHABLE: its frames are numbered, so the last one says it all.
    const last = await stream.lastEntry();
    const from = last === null ? 1 : numberOf(last) + 1;
    expect(last?.position ?? 0).toBe(from - 1);
    expect(from, `restart ${attempt}`).toBeGreaterThan(acknowledged);
    const outcomes = range(from, from + 20_000).map((n) =>
      stream.append(frame(n, 500), n - 1).then(
        (position) => (acknowledged = position),
        (error: unknown) => (error instanceof EverywriteError ? error.code : String(error)),
      ),
    );
    await Promise.race([outcomes[2_000], sleep(2_000)]);
    await log.server.kill();
    const settled = await Promise.all(outcomes);
    const failed = settled.filter((outcome) => typeof outcome === 'string');
    expect(new Set(failed)).toEqual(new Set(['LOG_UNREACHABLE']));
    await log.server.start();
  }
  const { last } = await stream.bounds();
  expect(last).toBeGreaterThanOrEqual(acknowledged);
  expect((await readTo(stream, 1, last)).map(numberOf)).toEqual(range(1, last));
});

test('a reader survives kill -9 and restart of the server without a gap or a repeat', async () => {
  const stream = await log.stream();
  const seen: LogEntry[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const batch of stream.read(1, stop.signal)) seen.push(...batch);
  })();
  for (const round of [0, 1, 2]) {
    await appendAll(stream, round * 3_000 + 1, round * 3_000 + 3_000, 400);
    await log.server.kill();
    await log.server.start();
    // The publisher's own connection needs a moment, too.
    await stream.bounds();
  }
  await appendAll(stream, 9_001, 9_500);
  while (seen.length < 9_500) await sleep(10);
  await sleep(100);
  stop.abort();
  await reading;
  expect(seen.map(numberOf)).toEqual(range(1, 9_500));
});

/** Has a reader read to 10, then puts back the store of when there were 5, refilled by `refill`. */
async function readOverLostTail(refill: (stream: LogStream) => Promise<unknown>): Promise<string> {
  const proxy = await startLinkProxy({ targetPort: log.server.port });
  const peerUrls = { eu: `nats://127.0.0.1:${proxy.port}` };
  const own = await log.stream();
  await appendAll(own, 1, 5);
  await log.server.stop();
  const backup = await temporaryDirectory('nats-backup');
  await cp(log.server.storeDir, backup.path, { recursive: true });
  await log.server.start();
  await own.lastEntry();
  await appendAll(own, 6, 10);
  const peer = await log.stores({ region: US, peerUrls }).peer(EU);
  const reading = readTo(must(await peer.stream(EU, false), 'stream'), 1, 20);
  const code = codeOf(reading);
  await sleep(100);
  proxy.cut('reset');
  await log.server.kill();
  await rm(log.server.storeDir, { recursive: true });
  await cp(backup.path, log.server.storeDir, { recursive: true });
  await log.server.start();
  expect((await own.lastEntry())?.position).toBe(5);
  await refill(own);
  proxy.heal();
  try {
    return await code;
  } finally {
    await proxy.close();
    await backup.remove();
  }
}

test('a lost tail is noticed by its reader', async () => {
  expect(await readOverLostTail(async () => {})).toBe('LOG_UNREACHABLE');
});

test('so is one that came back at the same length or longer', async () => {
  expect(await readOverLostTail((stream) => appendAll(stream, 6, 12))).toBe('LOG_UNREACHABLE');
});

test('a reader gives up after its patience, an append at once', async () => {
  const stream = await log.stream({ limits: { readerPatienceMs: 500, requestTimeoutMs: 400 } });
  await appendAll(stream, 1, 5);
  const reading = readTo(stream, 1, 10);
  await sleep(50);
  await log.server.kill();
  const before = performance.now();
  expect(await codeOf(reading)).toBe('LOG_UNREACHABLE');
  expect(performance.now() - before).toBeLessThan(1_500);
  expect(await codeOf(stream.append(frame(6), 5))).toBe('LOG_UNREACHABLE');
  expect(await codeOf(stream.bounds())).toBe('LOG_UNREACHABLE');
});

test('a server that cannot be reached is LOG_UNREACHABLE, and reached later', async () => {
  await log.server.kill();
  const stores = log.stores({ limits: { connectTimeoutMs: 300 } });
  await expect(stores.local()).rejects.toMatchObject({
    code: 'LOG_UNREACHABLE',
    message: expect.stringContaining('connection refused'),
  });
  await log.server.start();
  await sleep(300);
  expect((await stores.local()).connected()).toBe(true);
});
