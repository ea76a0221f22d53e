import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { RawClient, SocketFixture } from '#tests/gateway/subscriptions/socket-fixture.ts';
import type { SocketLimits } from '#gateway/subscriptions/socket-server.ts';

/** The rules of graphql-ws's PROTOCOL.md, asked from outside over real sockets. */

const fixtures = new Set<SocketFixture>();

afterEach(() => {
  for (const fixture of fixtures) fixture.close();
  fixtures.clear();
});

async function server(limits: Partial<SocketLimits> = {}): Promise<SocketFixture> {
  const fixture = await SocketFixture.start(limits);
  fixtures.add(fixture);
  return fixture;
}

const QUERY = { query: '{ a }' };

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('connecting', () => {
  test.each([['graphql-ws'], ['json'], [[]]])('%j is no subprotocol: 4406', async (protocol) => {
    const { url } = await server();
    const client = new RawClient(url, protocol);
    // The client itself gives up where its only protocol was not chosen.
    const { code } = await client.closed;
    expect([4406, 1006]).toContain(code);
  });

  test('among several subprotocols ours is chosen', async () => {
    const { url } = await server();
    const client = await new RawClient(url, ['graphql-ws', 'graphql-transport-ws']).open();
    expect(client.socket.protocol).toBe('graphql-transport-ws');
  });

  test('another path is not found', async () => {
    const { url } = await server();
    await expect(new RawClient(`${url}/other`).open()).rejects.toThrow('404');
  });

  test('a page of somebody else may not connect, one of this server may', async () => {
    const { url } = await server();
    const from = (origin: string): RawClient => new RawClient(url, 'graphql-transport-ws', origin);
    await expect(from('https://elsewhere.example').open()).rejects.toThrow('403');
    await expect(from('null').open()).rejects.toThrow('403');
    await from(`http://${new URL(url).host}`).open();
  });

  test('a client that does not initialise in time is closed with 4408', async () => {
    const { url } = await server({ initTimeoutMs: 30 });
    const client = await new RawClient(url).open();
    expect(await client.closed).toEqual({
      code: 4408,
      reason: 'Connection initialisation timeout',
    });
  });

  test('it is acknowledged, with what the server tells of itself', async () => {
    const { url } = await server();
    const client = await new RawClient(url).open();
    client.send({ type: 'connection_init' });
    expect(await client.next()).toEqual({ type: 'connection_ack', payload: { region: 'eu' } });
  });

  test('who proves nobody is closed with 4403', async () => {
    const { url } = await server();
    const client = await new RawClient(url).open();
    client.send({ type: 'connection_init', payload: { token: 'wrong' } });
    expect(await client.closed).toEqual({ code: 4403, reason: 'Forbidden' });
  });

  test('initialising twice is 4429, also while the first is being looked at', async () => {
    const { url } = await server();
    const twice = await new RawClient(url).acknowledged();
    twice.send({ type: 'connection_init' });
    expect((await twice.closed).code).toBe(4429);
    const hasty = await new RawClient(url).open();
    hasty.send({ type: 'connection_init' });
    hasty.send({ type: 'connection_init' });
    expect((await hasty.closed).code).toBe(4429);
  });

  test('one connection too many is asked to come again', async () => {
    const { url } = await server({ connectionsMax: 1 });
    await new RawClient(url).acknowledged();
    expect((await new RawClient(url).closed).code).toBe(1013);
  });
});

describe('messages', () => {
  test.each([
    ['no JSON', '{"type'],
    ['an array', '[]'],
    ['null', 'null'],
    ['no type', '{}'],
    ['an unknown type', '{"type":"start","id":"1"}'],
    ['one that only a server says', '{"type":"next","id":"1","payload":{}}'],
    ['subscribe without id', JSON.stringify({ type: 'subscribe', payload: QUERY })],
    ['subscribe with an empty id', JSON.stringify({ type: 'subscribe', id: '', payload: QUERY })],
    [
      'subscribe with a long id',
      JSON.stringify({ type: 'subscribe', id: 'x'.repeat(257), payload: QUERY }),
    ],
    ['subscribe without payload', '{"type":"subscribe","id":"1"}'],
    ['subscribe without query', '{"type":"subscribe","id":"1","payload":{}}'],
    ['a query that is no text', '{"type":"subscribe","id":"1","payload":{"query":1}}'],
    [
      'variables that are no object',
      '{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}',
    ],
    [
      'extensions that are no object',
      '{"type":"subscribe","id":"1","payload":{"query":"{a}","extensions":"x"}}',
    ],
    ['complete without id', '{"type":"complete"}'],
    ['a ping with a text', '{"type":"ping","payload":"x"}'],
  ])('%s is closed with 4400', async (_, message) => {
    const { url } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send(message);
    expect((await client.closed).code).toBe(4400);
  });

  test('a binary message is closed with 4400', async () => {
    const { url } = await server();
    const client = await new RawClient(url).acknowledged();
    client.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
    expect((await client.closed).code).toBe(4400);
  });

  test('a message larger than the limit is closed with 1009', async () => {
    const { url } = await server({ messageBytesMax: 1000 });
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: { query: 'x'.repeat(2000) } });
    expect((await client.closed).code).toBe(1009);
  });

  test('a ping is answered with its payload, also before initialising; a pong is not', async () => {
    const { url } = await server();
    const client = await new RawClient(url).open();
    client.send({ type: 'pong', payload: { a: 1 } });
    client.send({ type: 'ping', payload: { n: 7 } });
    expect(await client.next()).toEqual({ type: 'pong', payload: { n: 7 } });
    client.send({ type: 'ping' });
    expect(await client.next()).toEqual({ type: 'pong' });
  });
});

describe('operations', () => {
  test('before the acknowledgement they are closed with 4401', async () => {
    const { url, asked } = await server();
    const client = await new RawClient(url).open();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    expect(await client.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
    expect(asked).toEqual([]);
  });

  test('answers carry the id, then completion', async () => {
    const { url, asked } = await server();
    const client = await new RawClient(url).acknowledged({ token: 'ann' });
    client.send({ type: 'subscribe', id: 'x"y', payload: { ...QUERY, variables: { a: 1 } } });
    await until(() => asked.length === 1);
    expect(asked[0]).toMatchObject({ who: 'ann', request: { ...QUERY, variables: { a: 1 } } });
    expect(asked[0]?.sink.next(Buffer.from('{"data":{"a":1}}'), null)).toBe(true);
    asked[0]?.sink.complete();
    expect(await client.next()).toEqual({ id: 'x"y', type: 'next', payload: { data: { a: 1 } } });
    expect(await client.next()).toEqual({ id: 'x"y', type: 'complete' });
  });

  test('an error ends the operation: nothing follows', async () => {
    const { url, asked } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    await until(() => asked.length === 1);
    asked[0]?.sink.error('[{"message":"no"}]');
    asked[0]?.sink.next(Buffer.from('{}'), null);
    asked[0]?.sink.complete();
    client.send({ type: 'ping' });
    expect(await client.next()).toEqual({ id: '1', type: 'error', payload: [{ message: 'no' }] });
    expect(await client.next()).toEqual({ type: 'pong' });
  });

  test('an id in use is closed with 4409', async () => {
    const { url } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    expect(await client.closed).toEqual({ code: 4409, reason: 'Subscriber for 1 already exists' });
  });

  test('an id may be used again once completed, and the old operation is not heard any more', async () => {
    const { url, asked } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    client.send({ type: 'complete', id: '1' });
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    await until(() => asked.length === 2);
    expect(asked.map(({ cancelled }) => cancelled)).toEqual([true, false]);
    expect(asked[0]?.sink.next(Buffer.from('{"data":"old"}'), null)).toBe(false);
    asked[1]?.sink.next(Buffer.from('{"data":"new"}'), null);
    expect(await client.next()).toMatchObject({ payload: { data: 'new' } });
  });

  test('completing what is not there does nothing', async () => {
    const { url } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'complete', id: 'never' });
    client.send({ type: 'ping' });
    expect(await client.next()).toEqual({ type: 'pong' });
  });

  test('one operation too many is refused, the others go on', async () => {
    const { url, asked } = await server({ operationsMax: 1 });
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    client.send({ type: 'subscribe', id: '2', payload: QUERY });
    expect(await client.next()).toMatchObject({
      id: '2',
      type: 'error',
      payload: [{ extensions: { code: 'RATE_LIMITED' } }],
    });
    expect(asked[0]?.cancelled).toBe(false);
  });

  test('a socket that goes away cancels its operations', async () => {
    const { url, asked } = await server();
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    await until(() => asked.length === 1);
    client.socket.terminate();
    await until(() => asked[0]?.cancelled === true);
  });

  test('a peer that does not read is not buffered for without end', async () => {
    const { url, asked } = await server({ bufferedBytesMax: 100_000 });
    const client = await new RawClient(url).acknowledged();
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    await until(() => asked.length === 1);
    client.socket.pause();
    const payload = Buffer.from(JSON.stringify({ data: 'x'.repeat(50_000) }));
    let taken = 0;
    while (asked[0]?.sink.next(payload, null) === true && taken < 2000) {
      taken++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBeLessThan(2000);
  });
});

describe('while it lasts', () => {
  test('an idle client is told a cursor, and a silent one is dropped', async () => {
    const { url, sockets } = await server({ pingIntervalMs: 20 });
    const client = await new RawClient(url).acknowledged();
    expect(await client.next()).toEqual({ type: 'ping', payload: { cursor: '1~eu.1:9' } });
    client.socket.pause();
    await until(() => sockets.connections === 0);
  });

  test('a token that expires ends the operations with an error, then 4403', async () => {
    const { url } = await server({ pingIntervalMs: 20 });
    const client = await new RawClient(url).acknowledged({ token: 'ann', expiresInMs: 30 });
    client.send({ type: 'subscribe', id: '1', payload: QUERY });
    expect(await client.closed).toEqual({ code: 4403, reason: 'Forbidden' });
    expect(client.messages.at(-1)).toMatchObject({
      id: '1',
      type: 'error',
      payload: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  test('draining closes all with 1012, spread, and takes nobody new', async () => {
    const { url, sockets } = await server();
    const clients = await Promise.all([1, 2, 3, 4].map(() => new RawClient(url).acknowledged()));
    const began = performance.now();
    const times = clients.map(async ({ closed }) => {
      expect((await closed).code).toBe(1012);
      return performance.now() - began;
    });
    await sockets.drain(80);
    const [first = 0, , , last = 0] = await Promise.all(times);
    expect(last - first).toBeGreaterThan(30);
    await expect(new RawClient(url).open()).rejects.toThrow('503');
  });
});

test('the stock client of graphql-ws subscribes, is answered, and completes', async () => {
  const { url, asked } = await server();
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  const results: unknown[] = [];
  const done = new Promise<void>((resolve, reject) => {
    client.subscribe(QUERY, { next: (v) => results.push(v), error: reject, complete: resolve });
  });
  await until(() => asked.length === 1);
  asked[0]?.sink.next(Buffer.from('{"data":{"a":1},"extensions":{"cursor":"c"}}'), 'c');
  asked[0]?.sink.complete();
  await done;
  expect(results).toEqual([{ data: { a: 1 }, extensions: { cursor: 'c' } }]);
  await client.dispose();
});
