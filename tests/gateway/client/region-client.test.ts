import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { createClient } from 'graphql-ws';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import { freePort } from '#deploy/local/ports.ts';
import { RegionChoice } from '#gateway/client/region-choice.ts';
import { RegionClient } from '#gateway/client/region-client.ts';
import type { RegionClientOptions } from '#gateway/client/region-client.ts';
import { joinTokenTexts } from '#gateway/client/token-join.ts';
import { decodeToken, encodeToken, joinTokens } from '#gateway/session/causal-token.ts';
import { SocketFixture } from '#tests/gateway/subscriptions/socket-fixture.ts';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.allSettled(closing.splice(0).map((close) => close()));
});

interface Place {
  readonly proxy: LinkProxy;
  readonly url: string;
  readonly requests: { readonly body: string; readonly headers: Record<string, unknown> }[];
  /** How a request is answered. */
  answer: { status: number; token: string; delayMs: number };
  readonly server: Server;
}

/** An HTTP server behind a network that can be cut without a word. */
async function place(token: string): Promise<Place> {
  const requests: Place['requests'] = [];
  const answer = { status: 200, token, delayMs: 0 };
  const server = createServer((request, response) => {
    if (request.url === '/livez') return void response.end('ok');
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      requests.push({ body, headers: request.headers });
      const { status, delayMs } = answer;
      response.writeHead(status, { 'x-causal-token': answer.token });
      setTimeout(() => response.end('{"data":{}}'), delayMs);
    });
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = await proxyTo(port);
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { proxy, url: `http://127.0.0.1:${proxy.port}/graphql`, requests, answer, server };
}

async function proxyTo(port: number): Promise<LinkProxy> {
  const proxy = await startLinkProxy({
    listenPort: await freePort(),
    targetPort: port,
    delayMs: 0,
  });
  closing.push(() => proxy.close());
  return proxy;
}

async function twoPlaces(options: Partial<RegionClientOptions> = {}) {
  const eu = await place('1~eu.1:5');
  const us = await place('1~us.1:7');
  const regions = [
    { name: 'eu', url: eu.url },
    { name: 'us', url: us.url },
  ];
  return { eu, us, client: new RegionClient({ regions, ...options }) };
}

function post(client: RegionClient, query: string): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return client.fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query }) });
}

test('tokens are joined as the gateway joins them', () => {
  const part = fc.record({
    seen: fc.dictionary(fc.constantFrom('eu.1', 'us.1', 'us.2', 'ap.11'), fc.integer({ min: 1 })),
    written: fc.dictionary(fc.constantFrom('eu.1', 'us.2'), fc.integer({ min: 1, max: 2 ** 50 })),
  });
  const token = part.map(({ seen, written }) => {
    return { seen: new Map(Object.entries(seen)), written: new Map(Object.entries(written)) };
  });
  fc.assert(
    fc.property(token, token, (left, right) => {
      const [a, b] = [left, right].map((given) => encodeToken(given as never));
      const decoded = [a, b].map((text) => decodeToken(text ?? '', ['eu', 'us', 'ap']));
      const [first, second] = decoded;
      if (first?.kind !== 'token' || second?.kind !== 'token') throw new Error('not a token');
      const expected = encodeToken(joinTokens(first.token, second.token));
      expect(joinTokenTexts(a ?? null, b ?? null)).toBe(expected);
    }),
  );
});

test('the nearest region that answers is chosen, and a failed one is left alone for a while', () => {
  let nowMs = 0;
  const regions = ['eu', 'us', 'ap'].map((name) => ({ name, url: `http://${name}` }));
  const choice = new RegionChoice(regions, () => nowMs);
  choice.answered('eu', 100);
  choice.answered('us', 20);
  choice.answered('ap', 60);
  choice.reconsider();
  expect(choice.current.name).toBe('us');
  choice.failed('us');
  expect(choice.current.name).toBe('ap');
  choice.reconsider();
  expect(choice.current.name).toBe('ap');
  nowMs = 1500;
  choice.reconsider();
  expect(choice.current.name).toBe('us');
});

test('an answer’s token goes with the next request', async () => {
  const { eu, client } = await twoPlaces({
    authorization: () => 'Bearer x',
    consistency: 'causal',
  });
  await post(client, '{ a }');
  eu.answer.token = '1~eu.1:4~us.1:9';
  await post(client, '{ a }');
  expect(client.token).toBe('1~eu.1:5~us.1:9');
  expect(eu.requests[1]?.headers).toMatchObject({
    'x-causal-token': '1~eu.1:5',
    'x-consistency': 'causal',
    authorization: 'Bearer x',
  });
});

test('a region that is gone is left at once, with the token', async () => {
  const { eu, us, client } = await twoPlaces();
  await post(client, '{ a }');
  eu.server.close();
  eu.server.closeAllConnections();
  await eu.proxy.close();
  const began = performance.now();
  await post(client, 'mutation { a }');
  expect(performance.now() - began).toBeLessThan(1000);
  expect(client.region).toBe('us');
  expect(us.requests[0]?.headers['x-causal-token']).toBe('1~eu.1:5');
});

test('a mutation that may have been done is tried again only with an operation id', async () => {
  const { eu, us, client } = await twoPlaces();
  eu.answer.delayMs = 60_000;
  const lost = post(client, 'mutation { a }');
  await until(() => eu.requests.length === 1);
  eu.server.closeAllConnections();
  await expect(lost).rejects.toThrow('fetch failed');
  expect(us.requests).toHaveLength(0);
  expect(client.region).toBe('us');
  us.answer.delayMs = 60_000;
  eu.answer.delayMs = 0;
  const kept = post(client, 'mutation { a(opId: "1") }');
  await until(() => us.requests.length === 1);
  us.server.closeAllConnections();
  expect((await kept).status).toBe(200);
});

test('a region that drains sends its requests to the next', async () => {
  const { eu, us, client } = await twoPlaces();
  eu.answer.status = 503;
  expect((await post(client, '{ a }')).status).toBe(200);
  expect(us.requests).toHaveLength(1);
});

test('a slow answer is waited for; a region that has gone silent is left within a second', async () => {
  const { eu, us, client } = await twoPlaces();
  eu.answer.delayMs = 700;
  expect((await post(client, '{ slow }')).status).toBe(200);
  expect(us.requests).toHaveLength(0);
  eu.proxy.cut('drop');
  const began = performance.now();
  expect((await post(client, '{ a }')).status).toBe(200);
  expect(performance.now() - began).toBeLessThan(1000);
  expect(us.requests).toHaveLength(1);
});

test('a caller may still give up', async () => {
  const { eu, client } = await twoPlaces();
  eu.answer.delayMs = 5000;
  const signal = AbortSignal.timeout(50);
  await expect(client.fetch('/graphql', { method: 'POST', body: '{}', signal })).rejects.toThrow();
});

test.each(['kill', 'cut', 'drain'] as const)(
  'after a %s a stock graphql-ws subscription goes on in the next region, from its cursor',
  async (fault) => {
    const places = await Promise.all(['eu', 'us'].map(() => socketPlace()));
    const [eu, us] = places;
    if (eu === undefined || us === undefined) throw new RangeError('no place');
    const client = new RegionClient({
      regions: places.map(({ url }, at) => ({ name: at === 0 ? 'eu' : 'us', url })),
    });
    const options = client.socketOptions(WebSocket);
    const socket = client.wrap(createClient(options), options);
    closing.push(() => socket.dispose());
    const seen: unknown[] = [];
    socket.subscribe(
      { query: 'subscription { a }' },
      { next: (value) => seen.push(value), error: fail, complete: () => undefined },
    );
    await until(() => eu.fixture.asked.length === 1);
    eu.fixture.asked[0]?.sink.next(
      Buffer.from('{"data":1,"extensions":{"cursor":"1~eu.1:1"}}'),
      null,
    );
    await until(() => seen.length === 1);
    const began = performance.now();
    if (fault === 'kill') eu.fixture.close();
    else if (fault === 'cut') eu.proxy.cut('drop');
    else void eu.fixture.sockets.drain(0);
    await until(() => us.fixture.asked.length === 1);
    expect(performance.now() - began).toBeLessThan(1000);
    const { request } = us.fixture.asked[0] ?? {};
    expect(request?.extensions).toEqual({ resume: { cursor: '1~eu.1:1' } });
  },
);

test('a subscription that was too slow is begun again from its cursor; what cannot be is told', async () => {
  const eu = await socketPlace();
  const resyncs: string[] = [];
  const client = new RegionClient({
    regions: [{ name: 'eu', url: eu.url }],
    onResync: ({ query }) => resyncs.push(query),
  });
  const options = client.socketOptions(WebSocket);
  const socket = client.wrap(createClient(options), options);
  closing.push(() => socket.dispose());
  const errors: unknown[] = [];
  const query = 'subscription { a }';
  socket.subscribe(
    { query },
    { next: () => undefined, error: (error) => errors.push(error), complete: () => undefined },
  );
  await until(() => eu.fixture.asked.length === 1);
  const slow = { code: 'SLOW_CONSUMER', retryable: true, cursor: '1~eu.1:3' };
  eu.fixture.asked[0]?.sink.error(JSON.stringify([{ message: 'slow', extensions: slow }]));
  await until(() => eu.fixture.asked.length === 2);
  expect(eu.fixture.asked[1]?.request.extensions).toEqual({ resume: { cursor: '1~eu.1:3' } });
  const expired = { code: 'CURSOR_EXPIRED', retryable: false, resync: true };
  eu.fixture.asked[1]?.sink.error(JSON.stringify([{ message: 'old', extensions: expired }]));
  await until(() => errors.length === 1);
  expect(resyncs).toEqual([query]);
});

async function socketPlace() {
  const fixture = await SocketFixture.start();
  closing.push(() => fixture.close());
  const proxy = await proxyTo(Number(new URL(fixture.url).port));
  return { fixture, proxy, url: `http://127.0.0.1:${proxy.port}/graphql` };
}

function fail(error: unknown): void {
  throw new Error(`unexpected: ${JSON.stringify(error)}`);
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}
