import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';

const MEGABYTE = 1024 * 1024;

let target: Server;
let received: Socket[];
let link: LinkProxy;

beforeEach(async () => {
  received = [];
  // An echo server that also keeps its sockets, so that a test can look at its side.
  target = createServer({ allowHalfOpen: true }, (socket) => {
    received.push(socket);
    socket.on('error', () => {}).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(target, 'listening');
  link = await startLinkProxy({ targetPort: (target.address() as AddressInfo).port });
});

afterEach(async () => {
  await link.close();
  target.close();
});

async function client(): Promise<Socket> {
  const socket = connect({ port: link.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
}

/** Whether anything arrives within a moment. */
async function hears(socket: Socket): Promise<boolean> {
  const heard = once(socket, 'data').then(() => true);
  return Promise.race([heard, sleep(80, false)]);
}

async function brokenWith(socket: Socket): Promise<unknown> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

test('what is sent arrives whole, in order, and with its end', async () => {
  const socket = await client();
  const sent = Buffer.alloc(32 * MEGABYTE, 'everywrite');
  socket.end(sent);
  expect((await buffer(socket)).equals(sent)).toBe(true);
  expect(link.stats()).toMatchObject({ bytesForward: sent.length, bytesBackward: sent.length });
});

test('a delay holds for each direction and keeps the order while it changes', async () => {
  link.setDelay(60);
  const socket = await client();
  const start = performance.now();
  socket.write('first ');
  await sleep(20);
  link.setDelay(0);
  socket.write('second ');
  await once(received[0] ?? socket, 'data');
  expect(performance.now() - start).toBeGreaterThan(55);
  socket.end('third');
  expect((await buffer(socket)).toString()).toBe('first second third');
});

test('a delay line is bounded: a sender that is faster has to wait', async () => {
  link.setDelay(200);
  const socket = await client();
  const sent = Buffer.alloc(24 * MEGABYTE, 'x');
  socket.end(sent);
  await sleep(100);
  // 4 MB may wait in the line; the kernel's own buffers take some more.
  expect(socket.bytesWritten - socket.writableLength).toBeLessThan(20 * MEGABYTE);
  link.setDelay(1);
  expect((await buffer(socket)).length).toBe(sent.length);
});

test('a dropped link says nothing, to old connections and new ones, until it heals', async () => {
  const old = await client();
  old.write('before');
  expect(await hears(old)).toBe(true);
  link.cut('drop');
  old.write('lost');
  const late = await client();
  late.write('lost as well');
  expect(await Promise.all([hears(old), hears(late)])).toEqual([false, false]);
  expect([old.destroyed, late.destroyed, link.stats().connections]).toEqual([false, false, 2]);

  const broken = Promise.all([brokenWith(old), brokenWith(late)]);
  link.heal();
  expect(await broken).toEqual(['ECONNRESET', 'ECONNRESET']);
  const fresh = await client();
  fresh.write('after');
  expect(await hears(fresh)).toBe(true);
  fresh.destroy();
});

test('a reset link breaks old connections on both sides, and refuses new ones', async () => {
  const old = await client();
  old.write('before');
  await hears(old);
  const bothSides = Promise.all([brokenWith(old), brokenWith(received[0] ?? old)]);
  link.cut('reset');
  expect(await bothSides).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(await brokenWith(connect({ port: link.port, host: '127.0.0.1' }))).toBe('ECONNRESET');
  link.heal();
  const fresh = await client();
  fresh.write('after');
  expect(await hears(fresh)).toBe(true);
  fresh.destroy();
});

test('a target that is down breaks the connection', async () => {
  target.close();
  expect(await brokenWith(await client())).toBe('ECONNRESET');
});
