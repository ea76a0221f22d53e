import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { parseServerAddress, someServerAnswers } from '#replicator/nats/server-address.ts';

test('addresses with and without scheme, port, credentials and company', () => {
  expect(parseServerAddress('nats://db-1:4333')).toEqual({ servers: ['db-1:4333'] });
  expect(parseServerAddress('db-1, tls://db-2:5222')).toEqual({
    servers: ['db-1:4222', 'db-2:5222'],
  });
  expect(parseServerAddress('nats://eu:p%40ss@[::1]:4222,nats://[::2]')).toEqual({
    servers: ['[::1]:4222', '[::2]:4222'],
    user: 'eu',
    pass: 'p@ss',
  });
});

test('a port that accepts and is silent does not count as a server', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await someServerAnswers([address], { withinMs: 100, expect: 'info' })).toBe(false);
  expect(await someServerAnswers([address], { withinMs: 100, expect: 'connection' })).toBe(true);
  server.on('connection', (socket) => socket.end('INFO {}\r\n'));
  expect(
    await someServerAnswers(['127.0.0.1:1', address], { withinMs: 1_000, expect: 'info' }),
  ).toBe(true);
  server.close();
});
