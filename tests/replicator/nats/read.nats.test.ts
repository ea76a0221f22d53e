import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LogEntry } from '#replicator/engine/log-port.ts';
import { EU, STREAM, US, appendAll, codeOf, frame, numberOf } from './log-fixture.ts';
import { openLog, range, readTo } from './log-fixture.ts';
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

async function consumerCount(): Promise<number> {
  const info = await (await log.manager()).streams.info(STREAM);
  return info.state.consumer_count;
}

test('a reader gets what is stored and then what comes, in order', async () => {
  const stream = await log.stream();
  await appendAll(stream, 1, 2_000, 300);
  const reading = readTo(stream, 501, 4_000);
  await appendAll(stream, 2_001, 4_000, 300);
  const entries = await reading;
  expect(entries.map((entry) => entry.position)).toEqual(range(501, 4_000));
  expect(entries.map(numberOf)).toEqual(range(501, 4_000));
});

test('entries arrive one by one when they come one by one, and soon', async () => {
  const stream = await log.stream();
  const waits: number[] = [];
  let sentAt = 0;
  const reader = stream.read(1, new AbortController().signal)[Symbol.asyncIterator]();
  for (const n of range(1, 100)) {
    const next = reader.next();
    await sleep(2);
    sentAt = performance.now();
    const stored = stream.append(frame(n), n - 1);
    const { value } = await next;
    waits.push(performance.now() - sentAt);
    expect(value).toHaveLength(1);
    await stored;
  }
  await reader.return?.();
  waits.sort((a, b) => a - b);
  // 0.3 ms on a quiet machine; this is only the line between pushed and polled.
  expect(must(waits[50], 'median')).toBeLessThan(20);
});

test('an abort ends the reader at once, and the server forgets it', async () => {
  const stream = await log.stream();
  await appendAll(stream, 1, 10);
  const stop = new AbortController();
  const seen: LogEntry[] = [];
  const reading = (async () => {
    for await (const batch of stream.read(1, stop.signal)) seen.push(...batch);
  })();
  while (seen.length < 10) await sleep(5);
  expect(await consumerCount()).toBe(1);
  const before = performance.now();
  stop.abort();
  await reading;
  expect(performance.now() - before).toBeLessThan(100);
  for await (const _ of stream.read(1, new AbortController().signal)) break;
  for await (const _ of stream.read(1, AbortSignal.abort())) throw new Error('read after an abort');
  await sleep(50);
  expect(await consumerCount()).toBe(0);
});

test('a trimmed position is LOG_GAP, before and while reading', async () => {
  const stream = await log.stream({
    limits: { readAheadBytesMax: 1_100_000, readAheadEntriesMax: 40 },
  });
  await appendAll(stream, 1, 100);
  await stream.trim(11);
  expect(await codeOf(readTo(stream, 10, 100))).toBe('LOG_GAP');
  expect((await readTo(stream, 11, 100)).map(numberOf)).toEqual(range(11, 100));
  const reader = stream.read(11, new AbortController().signal)[Symbol.asyncIterator]();
  await reader.next();
  await stream.trim(90);
  const slow = (async () => {
    for (;;) if ((await reader.next()).done === true) return;
  })();
  expect(await codeOf(slow)).toBe('LOG_GAP');
});

test('positions that are not there are a lost tail, the next one is waited for', async () => {
  const stream = await log.stream();
  await appendAll(stream, 1, 5);
  expect(await codeOf(readTo(stream, 7, 7))).toBe('LOG_UNREACHABLE');
  const reading = readTo(stream, 6, 6);
  await sleep(50);
  await appendAll(stream, 6, 6);
  expect((await reading).map(numberOf)).toEqual([6]);
});

test('a stream that is deleted under a reader ends it', async () => {
  const stream = await log.stream();
  await appendAll(stream, 1, 20);
  const code = codeOf(readTo(stream, 1, 40));
  await sleep(100);
  await (await log.manager()).streams.delete(STREAM);
  expect(await code).toBe('LOG_UNREACHABLE');
});

test('one that is created again while the reader is away is another one', async () => {
  const own = await log.stream();
  await appendAll(own, 1, 20);
  const proxy = await startLinkProxy({ targetPort: log.server.port });
  const peerUrls = { eu: `nats://127.0.0.1:${proxy.port}` };
  const peer = await log.stores({ region: US, peerUrls }).peer(EU);
  const reading = readTo(must(await peer.stream(EU, false), 'peer stream'), 1, 40);
  const refused = expect(reading).rejects.toMatchObject({
    code: 'LOG_UNREACHABLE',
    message: expect.stringContaining('created again'),
  });
  await sleep(100);
  proxy.cut('reset');
  const manager = await log.manager();
  const { config } = await manager.streams.info(STREAM);
  await manager.streams.delete(STREAM);
  await manager.streams.add(config);
  await own.lastEntry();
  await appendAll(own, 1, 40);
  // Without what the reader had last, there is nothing to compare: only the time of creation differs.
  await own.trim(21);
  proxy.heal();
  await refused;
  await proxy.close();
});

test('a stalled reader holds and asks for no more than its bound', async () => {
  const proxy = await startLinkProxy({ targetPort: log.server.port });
  const url = `nats://127.0.0.1:${proxy.port}`;
  const own = await log.stream();
  await appendAll(own, 1, 1_500, 20_000);
  const readAheadBytesMax = 5_000_000;
  const stores = log.stores({ region: US, peerUrls: { eu: url }, limits: { readAheadBytesMax } });
  const stream = must(await (await stores.peer(EU)).stream(EU, false), 'peer stream');
  const before = proxy.stats().bytesBackward;
  const reader = stream.read(1, new AbortController().signal)[Symbol.asyncIterator]();
  let position = 0;
  for (const batch of range(1, 3)) {
    const { value } = await reader.next();
    for (const entry of value ?? []) expect(entry.position).toBe((position += 1));
    await sleep(200);
    // Everything that crossed the wire beyond what we had taken before this batch, with its framing.
    const ahead = proxy.stats().bytesBackward - before - (position - (value ?? []).length) * 20_000;
    expect(ahead, `after batch ${batch}`).toBeLessThan(readAheadBytesMax * 1.02);
  }
  while (position < 1_500)
    for (const entry of (await reader.next()).value ?? []) position = entry.position;
  await reader.return?.();
  await stores.close();
  await proxy.close();
});

test('a consumer that the server lost is replaced without a gap or a repeat', async () => {
  const stream = await log.stream();
  await appendAll(stream, 1, 50);
  const reading = readTo(stream, 1, 150);
  const manager = await log.manager();
  for (const n of range(1, 4)) {
    await sleep(60);
    for await (const { name } of manager.consumers.list(STREAM))
      await manager.consumers.delete(STREAM, name);
    await appendAll(stream, 26 + n * 25, 50 + n * 25);
  }
  expect((await reading).map(numberOf)).toEqual(range(1, 150));
});
