import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { parseGreeting, readGreeting } from '#replicator/nats/greeting.ts';

async function serving<Result>(
  greet: readonly string[],
  use: (url: string) => Promise<Result>,
): Promise<Result> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    for (const part of greet) socket.write(part);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  try {
    return await use(`nats://127.0.0.1:${port}`);
  } finally {
    server.close();
  }
}

test('the first line of a nats-server is understood, also in pieces', async () => {
  const pieces = [
    'INFO {"version":"2.10.4","max_pay',
    'load":1048576,"jetstream":true}\r\nPING\r\n',
  ];
  const greeting = await serving(pieces, (url) => readGreeting(url, 1_000));
  expect(greeting).toEqual({ version: '2.10.4', maxPayloadBytes: 1_048_576, jetstream: true });
});

test('of several servers one that answers is enough', async () => {
  const greeting = await serving(['INFO {"version":"2.11.0"}\r\n'], (url) =>
    readGreeting(`nats://127.0.0.1:1,${url}`, 1_000),
  );
  expect(greeting.version).toBe('2.11.0');
});

test('silence, another server and a closed port are told apart', async () => {
  await expect(serving([], (url) => readGreeting(url, 50))).rejects.toThrow(
    'no answer within 50 ms',
  );
  const ssh = serving(['SSH-2.0-x\r\n'], (url) => readGreeting(url, 1_000));
  await expect(ssh).rejects.toThrow('no nats-server');
  await expect(readGreeting('nats://127.0.0.1:1', 1_000)).rejects.toThrow('ECONNREFUSED');
});

test('a greeting without JetStream says so', () => {
  expect(parseGreeting('INFO {"version":"2.9.10"}')).toEqual({
    version: '2.9.10',
    maxPayloadBytes: 0,
    jetstream: false,
  });
  expect(parseGreeting('INFO {')).toBeNull();
  expect(parseGreeting('+OK')).toBeNull();
});
