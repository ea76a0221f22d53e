import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { handleGraphql } from '#gateway/http/graphql-handler.ts';
import type { HandlerOptions } from '#gateway/http/graphql-handler.ts';

/** A path that is served beside /graphql: health, metrics, pages, Server-Sent Events. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void>;
}

export interface ServerOptions extends HandlerOptions {
  readonly routes: readonly Route[];
  /** Origins of pages that may read answers; `*` for all of them, without credentials. */
  readonly corsOrigins: readonly string[];
  /** How long a client may take to send its headers, and its whole request. */
  readonly requestTimeoutMs: number;
  /** First look at a request of /graphql: true when it was taken (a stream of events). */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly onError: (error: unknown) => void;
}

const HEADER_BYTES_MAX = 32_768;
const HEADERS_TIMEOUT_MS = 10_000;
const GRAPHQL = '/graphql';

/** The gateway's HTTP side; whoever serves WebSockets attaches to its `upgrade`. */
export function gatewayServer(options: ServerOptions): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs,
      // A client is answered before it has sent all; what follows of its body is not awaited.
      joinDuplicateHeaders: true,
    },
    (request, response) => {
      dispatch(request, response, options).catch((error: unknown) => {
        options.onError(error);
        if (!response.headersSent) plain(response, 500, 'Something went wrong.');
        else response.destroy();
      });
    },
  );
  return server;
}

async function dispatch(
  request: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
): Promise<void> {
  request.on('error', () => {});
  response.on('error', () => {});
  response.setHeader('X-Content-Type-Options', 'nosniff');
  const path = pathOf(request.url ?? '/');
  allowOrigin(request, response, options.corsOrigins);
  if (request.method === 'OPTIONS') return preflight(response);
  if (path === GRAPHQL) {
    if (options.intercept?.(request, response) === true) return;
    await handleGraphql(request, response, options);
    return;
  }
  const route = options.routes.find((one) => one.path === path);
  if (route === undefined) return plain(response, 404, `There is nothing here; try ${GRAPHQL}.`);
  const head = request.method === 'HEAD' && route.method === 'GET';
  if (route.method !== request.method && !head) {
    response.setHeader('Allow', route.method);
    return plain(response, 405, `Use ${route.method}.`);
  }
  await route.handle(request, response);
}

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function allowOrigin(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): void {
  const { origin } = request.headers;
  if (origin === undefined || origins.length === 0) return;
  response.setHeader('Vary', 'Origin');
  if (!origins.includes('*') && !origins.includes(origin)) return;
  response.setHeader('Access-Control-Allow-Origin', origins.includes('*') ? '*' : origin);
  response.setHeader(
    'Access-Control-Expose-Headers',
    'X-Request-Id, X-Causal-Token, X-Region, Retry-After',
  );
}

function preflight(response: ServerResponse): void {
  if (response.hasHeader('Access-Control-Allow-Origin')) {
    response.setHeader('Access-Control-Allow-Methods', 'GET, POST');
    response.setHeader(
      'Access-Control-Allow-Headers',
      'Authorization, Content-Type, X-Causal-Token, X-Consistency, X-Request-Id, Last-Event-ID',
    );
    response.setHeader('Access-Control-Max-Age', '7200');
  }
  response.writeHead(204).end();
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}
