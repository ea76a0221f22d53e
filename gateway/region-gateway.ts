import { readFile } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ASYMMETRIC, Authenticator } from '#gateway/auth/authenticator.ts';
import type { AuthOptions } from '#gateway/auth/authenticator.ts';
import { GatewayError } from '#gateway/errors.ts';
import type { Principal } from '#gateway/execution/request.ts';
import type { RequestEvent } from '#gateway/http/graphql-handler.ts';
import { gatewayServer } from '#gateway/http/server.ts';
import type { Route } from '#gateway/http/server.ts';
import type { SessionHook } from '#gateway/http/session-hook.ts';
import { StoredDocuments } from '#gateway/http/stored-documents.ts';
import { RateLimit } from '#gateway/limits/rate-limit.ts';
import { LiveSchema } from '#gateway/live-schema.ts';
import type { MergeKind } from '#gateway/model/schema-model.ts';
import { Pool } from '#gateway/pg/pool.ts';
import type { SubscriptionFields } from '#gateway/schema/build-schema.ts';

/** One region's gateway, as the configuration describes it. */
export interface GatewaySettings {
  readonly region: string;
  readonly database: string;
  readonly host: string;
  readonly port: number;
  readonly schemas: readonly string[];
  readonly introspection: boolean;
  readonly corsOrigins: readonly string[];
  /** Path of a file `{"<sha256>": "<document>"}`; null: any document. */
  readonly trustedDocuments: string | null;
  readonly auth: Omit<AuthOptions, 'jwks' | 'algorithms'> & {
    readonly algorithms: readonly string[] | null;
  };
  readonly mergeOf: (schema: string, table: string, column: string) => MergeKind | undefined;
  readonly limits: GatewayLimits;
}

export interface GatewayLimits {
  readonly maxConnections: number;
  readonly maxWaiting: number;
  readonly waitTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly schemaPollMs: number;
  readonly maxBodyBytes: number;
  readonly maxTokens: number;
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxRootFields: number;
  readonly defaultRows: number;
  readonly maxRows: number;
  readonly maxCost: number;
  readonly ratePerSecond: number;
  readonly rateBurst: number;
  readonly maxDocuments: number;
  readonly connectTimeoutMs: number;
}

export interface GatewayLogger {
  log(
    level: 'debug' | 'info' | 'warn' | 'error',
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void;
}

/** What the parts around the engine are made of. */
export interface GatewayParts {
  readonly pool: Pool;
  readonly schema: LiveSchema;
  readonly authenticator: Authenticator;
  readonly documents: StoredDocuments;
}

/** What the parts around the engine add: sessions, event streams, sockets, pages. */
export interface GatewayExtras {
  readonly session: SessionHook;
  readonly routes: readonly Route[];
  readonly observe: (event: RequestEvent) => void;
  readonly intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Sockets are theirs. */
  attach(server: Server): void;
  /** Sends everybody away, before requests under way are waited for. */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export interface GatewayHooks {
  readonly subscriptions?: SubscriptionFields;
  readonly extras?: (parts: GatewayParts) => GatewayExtras;
}

export interface RegionGateway {
  readonly url: string;
  readonly server: Server;
  readonly schema: LiveSchema;
  readonly pool: Pool;
  readonly authenticator: Authenticator;
  /** Stops listening, answers what is under way for at most so long, then closes everything. */
  stop(graceMs?: number): Promise<void>;
}

const RATE_KEYS_MAX = 100_000;
const REGISTERED_DOCUMENTS_MAX = 1_000;
const FIRST_RETRY_MS = 500;
const GRACE_MS = 8_000;

/** Waits for its database, builds the schema, and serves it until `stop`. */
export async function startGateway(
  settings: GatewaySettings,
  logger: GatewayLogger,
  signal: AbortSignal,
  hooks: GatewayHooks = {},
): Promise<RegionGateway> {
  const pool = new Pool({
    url: settings.database,
    applicationName: `everywrite gateway ${settings.region}`,
    ...settings.limits,
  });
  const schema = liveSchema(settings, pool, logger, hooks);
  const stopped = new AbortController();
  const authenticator = new Authenticator({
    ...settings.auth,
    jwks: null,
    algorithms: settings.auth.algorithms ?? ASYMMETRIC,
  });
  const documents = await storedDocuments(settings);
  await loadPatiently(schema, logger, signal);
  const extras = hooks.extras?.({ pool, schema, authenticator, documents });
  const server = serverOf(settings, { pool, schema, authenticator, documents }, extras, logger);
  extras?.attach(server);
  await listen(server, settings);
  void schema.follow(stopped.signal);
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `http://${host}:${portOf(server)}/graphql`,
    server,
    schema,
    pool,
    authenticator,
    stop: async (graceMs = GRACE_MS) => {
      stopped.abort();
      await extras?.drain();
      await closeServer(server, graceMs);
      await extras?.stop();
      await pool.close();
    },
  };
}

function serverOf(
  settings: GatewaySettings,
  { schema, documents, authenticator }: GatewayParts,
  extras: GatewayExtras | undefined,
  logger: GatewayLogger,
): Server {
  return gatewayServer({
    schema,
    documents,
    authenticate: (request) => identify(authenticator, request),
    session: extras?.session ?? null,
    rate: new RateLimit({
      perSecond: settings.limits.ratePerSecond,
      burst: settings.limits.rateBurst,
      maxKeys: RATE_KEYS_MAX,
    }),
    maxBodyBytes: settings.limits.maxBodyBytes,
    requestTimeoutMs: settings.limits.statementTimeoutMs * 2,
    corsOrigins: settings.corsOrigins,
    routes: extras?.routes ?? LIVENESS,
    ...(extras === undefined ? {} : { intercept: extras.intercept }),
    observe: (event) => {
      for (const error of event.unexpected) logUnexpected(logger, event.requestId, error);
      extras?.observe(event);
    },
    onError: (error) => logUnexpected(logger, '', error),
  });
}

/** The process turns; nothing else is asked. */
const LIVENESS: readonly Route[] = [
  {
    method: 'GET',
    path: '/livez',
    handle: (_, response) => void response.writeHead(200).end('ok\n'),
  },
];

function liveSchema(
  settings: GatewaySettings,
  pool: Pool,
  logger: GatewayLogger,
  hooks: GatewayHooks,
): LiveSchema {
  const { limits } = settings;
  return new LiveSchema(pool, {
    model: { schemas: settings.schemas, mergeOf: settings.mergeOf },
    engine: {
      documents: {
        limits,
        introspection: settings.introspection,
        maxDocuments: limits.maxDocuments,
      },
      rows: limits,
      maxCost: limits.maxCost,
    },
    ...(hooks.subscriptions === undefined ? {} : { subscriptions: hooks.subscriptions }),
    pollMs: limits.schemaPollMs,
    onProblem: (problem) => logger.log('warn', 'left out of the schema', { problem }),
    onError: (error) => {
      logger.log('warn', 'the catalogue could not be read', { error: messageOf(error) });
    },
  });
}

/** The database may still be starting; who waits is told why. */
async function loadPatiently(
  schema: LiveSchema,
  logger: GatewayLogger,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await schema.load();
      return;
    } catch (error) {
      logger.log('warn', 'waiting for the database', { error: messageOf(error) });
    }
    await sleep(FIRST_RETRY_MS, undefined, { signal });
  }
}

async function storedDocuments({ trustedDocuments }: GatewaySettings): Promise<StoredDocuments> {
  if (trustedDocuments === null) {
    return new StoredDocuments({ kind: 'any', maxRegistered: REGISTERED_DOCUMENTS_MAX });
  }
  const manifest = JSON.parse(await readFile(trustedDocuments, 'utf8')) as Record<string, string>;
  return new StoredDocuments({ kind: 'trusted', documents: new Map(Object.entries(manifest)) });
}

async function identify(
  authenticator: Authenticator,
  request: IncomingMessage,
): Promise<Principal> {
  const answer = await authenticator.authenticate(request.headers.authorization);
  if (answer.kind === 'identity') return answer.identity;
  throw new GatewayError({
    code: 'UNAUTHENTICATED',
    message: `Not let in: ${answer.why}.`,
    status: 401,
  });
}

async function listen(server: Server, { host, port }: GatewaySettings): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, host, () => resolve(undefined));
  await promise;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  await Promise.race([closed, sleep(graceMs, undefined, { ref: false })]);
  server.closeAllConnections();
}

function logUnexpected(logger: GatewayLogger, requestId: string, error: unknown): void {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  logger.log('error', 'a request failed unexpectedly', { requestId, error: messageOf(cause) });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
