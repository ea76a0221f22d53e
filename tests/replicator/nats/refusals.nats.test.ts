import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { ensureNatsServer } from '#deploy/local/nats-binary.ts';
import { freePort } from '#deploy/local/ports.ts';
import { ServerProcess } from '#deploy/local/server-process.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import { CLUSTER, EU, appendAll, codeOf, frame, openLog, range, readTo } from './log-fixture.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server with a configuration of our own; returns its port. */
async function serverWith(configuration: string): Promise<number> {
  const directory = await temporaryDirectory('nats-refusals');
  const port = await freePort();
  const path = join(directory.path, 'nats.conf');
  await writeFile(path, `listen: "127.0.0.1:${port}"\n${configuration}`);
  const server = await ServerProcess.spawn({
    command: await ensureNatsServer(),
    args: ['--config', path, '--store_dir', directory.path],
    logPath: join(directory.path, 'server.log'),
    cwd: directory.path,
    farewell: 'SIGTERM',
  });
  closers.push(
    () => directory.remove(),
    () => server.kill(),
  );
  await server.untilReady(() => accepts(port), 10_000);
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.on('data', () => socket.destroy());
  });
}

function storesOn(url: string, limits = {}): NatsLogStores {
  const stores = new NatsLogStores({
    cluster: CLUSTER,
    region: EU,
    localUrl: url,
    peerUrls: {},
    limits,
  });
  closers.push(() => stores.close());
  return stores;
}

test('a server without JetStream is named, with the setting', async () => {
  const port = await serverWith('');
  const store = await storesOn(`127.0.0.1:${port}`).local();
  await expect(store.stream(EU, true)).rejects.toMatchObject({
    code: 'LOG_UNREACHABLE',
    message: expect.stringMatching(/JetStream is not enabled.*jetstream \{/),
  });
});

test('the narrowest rights suffice, and a lacking one is named without waiting', async () => {
  const stream = `EVERYWRITE_${CLUSTER}_EU`;
  const allowed = [
    `$JS.API.STREAM.*.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.CONSUMER.*.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
  ];
  const rights = (publish: readonly string[]): string =>
    `permissions: { publish: ${JSON.stringify(publish)}, subscribe: "_INBOX.eu.>" }`;
  const port = await serverWith(`jetstream {}
    authorization { users: [
      { user: writer, password: "p:w", ${rights([...allowed, `everywrite.${CLUSTER}.log.eu`])} }
      { user: reader, password: r, ${rights(allowed)} }
    ] }`);
  // The password's colon must be escaped in a URL.
  const writer = await storesOn(`nats://writer:p%3Aw@127.0.0.1:${port}`).local();
  const written = must(await writer.stream(EU, true), 'stream');
  expect(await appendAll(written, 1, 3)).toEqual([1, 2, 3]);
  expect((await readTo(written, 2, 3)).map((entry) => entry.position)).toEqual([2, 3]);
  expect((await written.lastEntry())?.position).toBe(3);
  expect((await written.entryAt(1))?.position).toBe(1);
  const reader = await storesOn(`nats://reader:r@127.0.0.1:${port}`).local();
  const denied = must(await reader.stream(EU, false), 'stream');
  await expect(denied.append(frame(4), 3)).rejects.toMatchObject({
    code: 'LOG_UNREACHABLE',
    recovery: 'operator',
    message: expect.stringContaining('may not publish to everywrite.test.log.eu'),
  });
  const nobody = storesOn(`nats://reader:wrong@127.0.0.1:${port}`, { connectTimeoutMs: 300 });
  await expect(nobody.local()).rejects.toThrow(/authorization violation/i);
});

function mountSmall(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('a full file system is LOG_FULL or names JetStream, and loses nothing acknowledged', async (context) => {
  const directory = await temporaryDirectory('nats-full');
  closers.push(() => directory.remove());
  const storeDir = join(directory.path, 'store');
  await mkdir(storeDir);
  if (!mountSmall(storeDir)) return context.skip('only root may mount a small file system');
  closers.push(async () => execFileSync('umount', ['-l', storeDir]));
  await chmod(storeDir, 0o755);
  const log = await openLog({ storeDir, maxStoreBytes: 1_000_000_000 });
  closers.push(() => log.close());
  const stream = await log.stream({ limits: { ackTimeoutMs: 1_000 } });
  const outcomes = await Promise.allSettled(
    range(1, 200).map((n) => stream.append(frame(n, 100_000), n - 1)),
  );
  const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
  expect(stored).toBeGreaterThan(50);
  expect(stored).toBeLessThan(200);
  const code = await codeOf(stream.append(frame(stored + 1, 100_000), stored));
  expect(['LOG_FULL', 'LOG_UNREACHABLE']).toContain(code);
  // nats-server 2.9 hangs when its disk is full, and does not end on SIGTERM either.
  await log.server.kill();
  execFileSync('mount', ['-o', 'remount,size=64m', storeDir]);
  await log.server.start();
  expect((await stream.lastEntry())?.position).toBe(stored);
  expect(await stream.append(frame(stored + 1), stored)).toBe(stored + 1);
});
