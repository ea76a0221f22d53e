import { readFile } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { LocalCluster } from './cluster.ts';
import { followOrder } from './link-order.ts';

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

const PAGE = new URL('../demo/page.html', import.meta.url);
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src *; base-uri 'none'; frame-ancestors 'none'";

/**
 * The page that shows one row once per region, and cuts regions off; what it asks of a gateway goes
 * through here, so that gateways need not trust any page. For this machine's browser: only under the name
 * that it was served by, and only what the page itself sends.
 */
export async function startPageServer(
  cluster: Pick<LocalCluster, 'regions' | 'links'>,
  gateways: readonly { readonly region: string; readonly url: string }[],
): Promise<PageServer> {
  const regions = JSON.stringify(
    gateways.map(({ region }) => ({ name: region, url: `/gateway/${region}` })),
  );
  const targets = new Map(gateways.map(({ region, url }) => [`/gateway/${region}`, new URL(url)]));
  let host = '';
  const server = createServer((request, response) => {
    answer(request, response, { host, regions, targets, cluster }).catch((error: unknown) => {
      if (!response.headersSent) send(response, 400, 'text/plain', String(error));
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const target = targets.get(request.url ?? '');
    const own = request.headers.host === host && request.headers.origin === `http://${host}`;
    if (target === undefined || !own) socket.destroy();
    else joinSockets(request, socket, target);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Parts {
  readonly host: string;
  readonly regions: string;
  readonly targets: ReadonlyMap<string, URL>;
  readonly cluster: Pick<LocalCluster, 'regions' | 'links'>;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { host, regions, targets, cluster }: Parts,
): Promise<void> {
  const { method, url, headers } = request;
  // A name of somebody else's that leads to this machine is not how the page was opened.
  if (headers.host !== host) return send(response, 403, 'text/plain', `Open http://${host}/\n`);
  if (method === 'GET' && url === '/') {
    return send(response, 200, 'text/html; charset=utf-8', await readFile(PAGE, 'utf8'));
  }
  if (method === 'GET' && url === '/regions.json') {
    return send(response, 200, 'application/json', regions);
  }
  const target = targets.get(url ?? '');
  if (method === 'POST' && target !== undefined) return forward(request, response, target);
  if (method === 'POST' && url === '/links' && headers['x-everywrite'] === 'page') {
    const { region, cut } = JSON.parse(await text(request)) as Readonly<Record<string, unknown>>;
    if (typeof region !== 'string' || typeof cut !== 'boolean') {
      return send(response, 400, 'text/plain', 'Say which region, and whether it is cut off.\n');
    }
    followOrder(
      cluster,
      cut ? { kind: 'cut', regions: [region], mode: 'drop' } : { kind: 'heal', regions: [region] },
    );
    return send(response, 200, 'application/json', '{}');
  }
  return send(response, 404, 'text/plain', 'There is nothing here.\n');
}

function forward(request: IncomingMessage, response: ServerResponse, target: URL): void {
  const type = request.headers['content-type'] ?? '';
  const onward = ask(target, { method: 'POST', headers: { 'content-type': type } }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, { 'Content-Type': 'application/json' });
    answered.pipe(response);
  });
  onward.on('error', () => send(response, 502, 'text/plain', 'The gateway does not answer.\n'));
  request.pipe(onward);
}

/** The handshake without its origin, then bytes in both directions. */
function joinSockets({ headers }: IncomingMessage, socket: Duplex, target: URL): void {
  const onward = connect(Number(target.port), target.hostname);
  const kept = Object.entries(headers).filter(([name]) => name !== 'origin' && name !== 'host');
  const lines = kept.map(([name, value]) => `${name}: ${String(value)}`);
  const host = `host: ${target.host}`;
  onward.write([`GET ${target.pathname} HTTP/1.1`, host, ...lines, '', ''].join('\r\n'));
  const end = (): void => {
    socket.destroy();
    onward.destroy();
  };
  for (const side of [socket, onward]) side.on('error', end).on('close', end);
  socket.pipe(onward).pipe(socket);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Security-Policy': POLICY,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}
