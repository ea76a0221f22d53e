import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import { startPageServer } from '#deploy/local/page-server.ts';
import { SocketFixture } from '#tests/gateway/subscriptions/socket-fixture.ts';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.allSettled(closing.splice(0).map((close) => close()));
});

async function page() {
  const gateway = await SocketFixture.start();
  const proxy = await startLinkProxy({ targetPort: 1 });
  const links = [{ from: 'eu', to: 'us', proxy }];
  const regions = new Map(['eu', 'us'].map((name) => [name, { name } as never]));
  const url = gateway.url.replace('ws:', 'http:');
  const server = await startPageServer({ regions, links: () => links }, [{ region: 'eu', url }]);
  closing.push(
    () => server.close(),
    () => gateway.close(),
    () => proxy.close(),
  );
  return { server, proxy };
}

function order(url: string, headers: Record<string, string>, proxy: LinkProxy): Promise<string> {
  const body = JSON.stringify({ region: 'eu', cut: true });
  return fetch(`${url}links`, { method: 'POST', headers, body }).then(
    ({ status }) => `${status} ${proxy.stats().state}`,
  );
}

test('the page cuts a region off; what does not come from it does not', async () => {
  const { server, proxy } = await page();
  expect(await (await fetch(server.url)).text()).toContain('One row, every region');
  expect(await (await fetch(`${server.url}regions.json`)).json()).toEqual([
    { name: 'eu', url: '/gateway/eu' },
  ]);
  expect(await order(server.url, {}, proxy)).toBe('404 open');
  expect(await order(server.url, { 'x-everywrite': 'page' }, proxy)).toBe('200 drop');
});

test('under another name than its own it answers nothing', async () => {
  const { server } = await page();
  const { port } = new URL(server.url);
  const status = await new Promise((resolve) => {
    const headers = { host: `evil.example:${port}` };
    request({ port, host: '127.0.0.1', headers }, (r) => resolve(r.resume().statusCode)).end();
  });
  expect(status).toBe(403);
});

test('its sockets reach the gateway, those of other pages do not', async () => {
  const { server } = await page();
  const url = `${server.url.replace('http:', 'ws:')}gateway/eu`;
  const own = new WebSocket(url, 'graphql-transport-ws', { origin: server.url.slice(0, -1) });
  await new Promise((resolve) => own.once('open', resolve));
  own.send('{"type":"connection_init"}');
  const acknowledged = await new Promise((resolve) =>
    own.once('message', (m: Buffer) => resolve(m.toString())),
  );
  expect(acknowledged).toContain('connection_ack');
  own.close();
  const other = new WebSocket(url, 'graphql-transport-ws', { origin: 'https://elsewhere.example' });
  const refused = await new Promise((resolve) => other.once('error', resolve));
  expect(String(refused)).toContain('socket hang up');
});
