import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient as createUrql, subscriptionExchange } from '@urql/core';
import { createClient as createSse } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { RegionClient } from '#gateway/client/region-client.ts';
import { streamEvents } from '#gateway/subscriptions/event-stream.ts';
import type { OperationSink } from '#gateway/subscriptions/operation.ts';
import { SocketFixture } from '#tests/gateway/subscriptions/socket-fixture.ts';

/** Stock clients over the helper: a region goes, and their subscriptions go on in the next. */

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function twoRegions() {
  const [eu, us] = await Promise.all([SocketFixture.start(), SocketFixture.start()]);
  closing.push(
    () => eu.close(),
    () => us.close(),
  );
  const regions = [eu, us].map(({ url }, at) => ({
    name: ['eu', 'us'][at] ?? '',
    url: url.replace('ws', 'http'),
  }));
  const client = new RegionClient({ regions });
  const options = client.socketOptions(WebSocket);
  const socket = client.wrap(createClient(options), options);
  closing.push(() => socket.dispose());
  return { eu, us, socket };
}

function change(id: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      data: { noteChanges: [{ op: 'INSERT', id }] },
      extensions: { cursor: `1~eu.1:${id}` },
    }),
  );
}

async function moves(
  seen: readonly unknown[],
  eu: SocketFixture,
  us: SocketFixture,
): Promise<void> {
  await until(() => eu.asked.length === 1);
  eu.asked[0]?.sink.next(change(1), null);
  await until(() => seen.length === 1);
  eu.close();
  await until(() => us.asked.length === 1);
  expect(us.asked[0]?.request.extensions).toEqual({ resume: { cursor: '1~eu.1:1' } });
  us.asked[0]?.sink.next(change(2), null);
  await until(() => seen.length === 2);
  expect(seen).toEqual([1, 2].map((id) => [{ op: 'INSERT', id }]));
}

test('Apollo Client', async () => {
  const { eu, us, socket } = await twoRegions();
  const apollo = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  const seen: unknown[] = [];
  const running = apollo
    .subscribe<{ noteChanges: unknown }>({
      query: gql('subscription { noteChanges { op id } }'),
      fetchPolicy: 'no-cache',
    })
    .subscribe(({ data }) => seen.push(data?.noteChanges));
  await moves(seen, eu, us);
  running.unsubscribe();
  apollo.stop();
});

test('urql', async () => {
  const { eu, us, socket } = await twoRegions();
  const urql = createUrql({
    url: 'http://unused.example/graphql',
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => {
            const given = variables as Record<string, unknown> | undefined;
            return {
              unsubscribe: socket.subscribe(
                { query, ...(given === undefined ? {} : { variables: given }) },
                sink as never,
              ),
            };
          },
        }),
      }),
    ],
  });
  const seen: unknown[] = [];
  const running = urql
    .subscription<{ noteChanges: unknown }>('subscription { noteChanges { op id } }', {})
    .subscribe(({ data }) => seen.push(data?.noteChanges));
  await moves(seen, eu, us);
  running.unsubscribe();
});

test('graphql-sse reads the event stream, and every event’s id is the cursor', async () => {
  const sinks: OperationSink[] = [];
  const server = createServer((request, response) => {
    const runner = {
      start: (_: unknown, __: null, sink: OperationSink) => {
        sinks.push(sink);
        return { cursor: () => null, cancel: () => undefined };
      },
    };
    streamEvents(request, response, { query: '' }, null, runner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const client = createSse({ url, retryAttempts: 0 });
  const seen: unknown[] = [];
  const done = new Promise<void>((resolve, reject) => {
    client.subscribe(
      { query: 'subscription { a }' },
      { next: (v) => seen.push(v), error: reject, complete: resolve },
    );
  });
  await until(() => sinks.length === 1);
  sinks[0]?.next(change(1), '1~eu.1:1');
  sinks[0]?.complete();
  await done;
  expect(seen).toEqual([JSON.parse(change(1).toString())]);
  const raw = await fetch(url);
  sinks[1]?.next(change(2), '1~eu.1:2');
  sinks[1]?.complete();
  expect(await raw.text()).toContain('event: next\nid: 1~eu.1:2\ndata: {');
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}
