import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '#gateway/errors.ts';
import { refusal } from '#gateway/execution/engine.ts';
import type { Executed, Principal } from '#gateway/execution/request.ts';
import { acceptedType } from '#gateway/http/media-type.ts';
import type { MediaType } from '#gateway/http/media-type.ts';
import { readRequest } from '#gateway/http/read-request.ts';
import type { SessionAnswer, SessionHook } from '#gateway/http/session-hook.ts';
import type { StoredDocuments } from '#gateway/http/stored-documents.ts';
import type { RateLimit } from '#gateway/limits/rate-limit.ts';
import type { LiveSchema } from '#gateway/live-schema.ts';

export interface HandlerOptions {
  readonly schema: LiveSchema;
  readonly documents: StoredDocuments;
  /** Proves who asks; throws UNAUTHENTICATED or FORBIDDEN. */
  readonly authenticate: (request: IncomingMessage) => Promise<Principal>;
  readonly session: SessionHook | null;
  readonly rate: RateLimit | null;
  readonly maxBodyBytes: number;
  /** Told of every request once it is answered. */
  readonly observe: (event: RequestEvent) => void;
}

/** One answered request, for metrics and the log. */
export interface RequestEvent {
  readonly requestId: string;
  readonly operation: 'query' | 'mutation' | null;
  readonly operationName: string | null;
  readonly status: number;
  readonly codes: readonly string[];
  readonly durationMs: number;
  readonly unexpected: readonly unknown[];
}

const NO_SESSION: SessionAnswer = { token: null, headers: {}, extensions: null };

/** `/graphql`, by the GraphQL-over-HTTP specification. Never rejects. */
export async function handleGraphql(
  request: IncomingMessage,
  response: ServerResponse,
  options: HandlerOptions,
): Promise<void> {
  const startMs = performance.now();
  const requestId = requestIdOf(request);
  const type = acceptedType(request.headers.accept);
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  let executed: Executed;
  let session = NO_SESSION;
  try {
    if (type === null) throw notAcceptable();
    ({ executed, session } = await execute(request, options, gone.signal));
  } catch (error) {
    executed = refusal(error);
  }
  const status = statusFor(executed, type);
  const extensions = session.extensions === null ? '' : `,"extensions":${session.extensions}`;
  const body = Buffer.from(`{${executed.members(session.token)}${extensions}}`, 'utf8');
  if (!response.destroyed) {
    response.writeHead(status, {
      'Content-Type': `${type ?? 'application/json'}; charset=utf-8`,
      'Content-Length': body.length,
      'X-Request-Id': requestId,
      'Cache-Control': 'no-store',
      ...(status === 405 ? { Allow: 'POST' } : {}),
      ...retryAfter(executed),
      ...session.headers,
    });
    response.end(body);
  }
  const { operation, operationName, codes, unexpected } = executed;
  const durationMs = performance.now() - startMs;
  options.observe({ requestId, operation, operationName, status, codes, durationMs, unexpected });
}

async function execute(
  request: IncomingMessage,
  options: HandlerOptions,
  signal: AbortSignal,
): Promise<{ executed: Executed; session: SessionAnswer }> {
  const { method } = request;
  if (method !== 'GET' && method !== 'POST') throw methodNotAllowed();
  const principal = await options.authenticate(request);
  options.rate?.admit(`${request.socket.remoteAddress ?? ''} ${principal.key}`);
  const asked = options.documents.resolve(await readRequest(request, options.maxBodyBytes));
  const session = await options.session?.open(request.headers, asked.extensions, principal, signal);
  const executed = await options.schema.engine.execute(asked, principal, {
    signal,
    operations: method === 'GET' ? 'queries' : 'all',
    ...(session === undefined ? {} : { flight: session.flight }),
  });
  return { executed, session: session?.finish(executed) ?? NO_SESSION };
}

/** What the client or a proxy calls the request, if it is a plain name; else a new one. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
}

/**
 * In `application/json` a wrong document is answered with 200, as old clients expect; what is wrong with
 * the HTTP request itself, or with the gateway, keeps its status.
 */
function statusFor({ status, codes }: Executed, type: MediaType | null): number {
  const http = codes[0] === 'BAD_REQUEST' || codes[0] === 'METHOD_NOT_ALLOWED';
  return type === 'application/json' && status === 400 && !http ? 200 : status;
}

function retryAfter({ status }: Executed): Record<string, string> {
  return status === 429 || status === 503 ? { 'Retry-After': '1' } : {};
}

function notAcceptable(): GatewayError {
  return new GatewayError({
    code: 'BAD_REQUEST',
    message: 'Accept application/graphql-response+json or application/json.',
    status: 406,
  });
}

function methodNotAllowed(): GatewayError {
  return new GatewayError({
    code: 'METHOD_NOT_ALLOWED',
    message: 'Use GET for queries, or POST.',
    status: 405,
  });
}
