import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { EverywriteError } from '#core/errors.ts';
import type { LocalCluster } from './cluster.ts';
import { followOrder, linkViews, parseOrder } from './link-order.ts';
import type { LinkView } from './link-order.ts';

/** Where a running cluster takes orders, and what proves that an order is from its owner. */
export interface ControlAddress {
  readonly url: string;
  readonly token: string;
}

export interface ControlServer extends ControlAddress {
  close(): Promise<void>;
}

/** What the control server answers: the links as they are now, or why the order was refused. */
export type ControlAnswer =
  | { readonly kind: 'links'; readonly links: readonly LinkView[] }
  | { readonly kind: 'refused'; readonly message: string };

/**
 * `GET /links` shows the links between the regions, `POST /links` with a LinkOrder changes them. Only
 * for who knows the token: other users of this machine, and pages in a browser, reach 127.0.0.1 too.
 */
export async function startControlServer(
  cluster: Pick<LocalCluster, 'regions' | 'links'>,
): Promise<ControlServer> {
  const token = randomBytes(24).toString('base64url');
  const server = createServer((request, response) => {
    void answer(request, token, cluster).then(
      ([status, body]) => send(response, status, body),
      (error: unknown) => send(response, 500, { kind: 'refused', message: String(error) }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  // A server that listens on TCP has such an address; only one on a socket file has a string.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  token: string,
  cluster: Pick<LocalCluster, 'regions' | 'links'>,
): Promise<readonly [number, ControlAnswer]> {
  if (!proves(request.headers.authorization, token)) {
    return [401, { kind: 'refused', message: 'The token of this cluster is missing or wrong.' }];
  }
  if (request.url !== '/links' || (request.method !== 'GET' && request.method !== 'POST')) {
    return [404, { kind: 'refused', message: 'There is GET /links and POST /links.' }];
  }
  try {
    if (request.method === 'POST')
      followOrder(cluster, parseOrder(JSON.parse(await text(request))));
    return [200, { kind: 'links', links: linkViews(cluster) }];
  } catch (error) {
    if (error instanceof EverywriteError) return [400, { kind: 'refused', message: error.message }];
    if (error instanceof SyntaxError)
      return [400, { kind: 'refused', message: 'This is no JSON.' }];
    throw error;
  }
}

function proves(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function send(response: ServerResponse, status: number, body: ControlAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
