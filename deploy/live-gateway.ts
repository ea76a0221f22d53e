import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { Principal } from '#gateway/execution/request.ts';
import { handleEventStream, wantsEvents } from '#gateway/http/event-stream-handler.ts';
import type { RequestEvent } from '#gateway/http/graphql-handler.ts';
import { Health } from '#gateway/http/health.ts';
import { GatewayMetrics } from '#gateway/http/metrics.ts';
import type { Route } from '#gateway/http/server.ts';
import type { SessionHook } from '#gateway/http/session-hook.ts';
import { sendPage } from '#gateway/pages/page.ts';
import { regionReport } from '#gateway/pages/region-report.ts';
import { Pool } from '#gateway/pg/pool.ts';
import type { GatewayExtras, GatewayParts } from '#gateway/region-gateway.ts';
import { RegionLive } from '#gateway/region-live.ts';
import type { Authenticated } from '#gateway/subscriptions/operation.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import { systemClock, systemTimers } from '#replicator/system-ports.ts';

const DRAIN_MS = 2000;
const ADMIN_TIMEOUT_MS = 800;
const ALIVE = { text: 'SELECT 1', values: [] };

/** What is live in a gateway, on real servers: sessions, changes, sockets, health, metrics, pages. */
export class LiveGateway implements GatewayExtras {
  readonly session: SessionHook;
  readonly routes: readonly Route[];
  readonly #live: RegionLive;
  readonly #config: ClusterConfig;
  readonly #region: RegionConfig;
  readonly #parts: GatewayParts;
  readonly #health: Health;
  readonly #metrics: GatewayMetrics;
  readonly #logs: NatsLogStores;
  /** Its own: the feed must not wait behind requests that wait for it. */
  readonly #pool: Pool;

  constructor(config: ClusterConfig, region: RegionConfig, parts: GatewayParts, logger: Logger) {
    this.#config = config;
    this.#region = region;
    this.#parts = parts;
    const { cluster, gateway: limits, replication } = config;
    const { connectTimeoutMs } = replication;
    this.#logs = new NatsLogStores({
      cluster,
      region: region.region,
      localUrl: region.nats,
      peerUrls: {},
      logger,
    });
    this.#pool = new Pool({
      ...limits,
      url: region.gatewayDatabase,
      applicationName: `everywrite feed ${region.region}`,
      connectTimeoutMs,
      maxConnections: 2,
    });
    this.#live = new RegionLive({
      region: region.region,
      regions: [...config.regions.keys()],
      pool: parts.pool,
      feedPool: this.#pool,
      engine: () => parts.schema.engine,
      streams: async (origin: RegionId) => (await this.#logs.local()).stream(origin, false),
      rows: limits,
      origins: limits.corsOrigins,
      authenticate: (authorization) => this.#authenticate(authorization),
      clock: systemClock,
      timers: systemTimers,
      logger,
    });
    this.session = this.#live.sessions;
    this.#health = new Health({
      askDatabase: () => this.#pool.fly({ transaction: [ALIVE], afterCommit: [] }),
      schemaLoaded: () => parts.schema.loaded,
    });
    this.#metrics = this.#gauges();
    this.routes = this.#routes();
  }

  observe = (event: RequestEvent): void => this.#metrics.observe(event);

  intercept = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (!wantsEvents(request)) return false;
    void handleEventStream(request, response, {
      authenticate: async (authorization) => {
        return (await this.#authenticate(authorization))?.who ?? null;
      },
      resolve: (asked) => this.#parts.documents.resolve(asked),
      maxBodyBytes: this.#config.gateway.maxBodyBytes,
      stream: (...given) => this.#live.stream(...given),
    });
    return true;
  };

  attach(server: Server): void {
    this.#live.attach(server);
  }

  async drain(): Promise<void> {
    this.#health.drain();
    await this.#live.sockets.drain(DRAIN_MS);
  }

  async stop(): Promise<void> {
    await this.#live.stop();
    await Promise.allSettled([this.#logs.close(), this.#pool.close()]);
  }

  async #authenticate(authorization: string | undefined): Promise<Authenticated<Principal> | null> {
    const answer = await this.#parts.authenticator.authenticate(authorization);
    if (answer.kind === 'refused') return null;
    return { who: answer.identity, expiresAtMs: answer.identity.expiresAtMs };
  }

  #peers(): readonly { readonly name: RegionId; readonly stalenessMs: () => number | null }[] {
    const peers = [...this.#config.regions.keys()].filter((name) => name !== this.#region.region);
    const { frontier } = this.#live.feed;
    return peers.map((name) => {
      return { name, stalenessMs: () => frontier.stalenessMs(name, systemClock.wallUs()) };
    });
  }

  #gauges(): GatewayMetrics {
    const { feed, hub, sockets } = this.#live;
    const { pool } = this.#parts;
    return new GatewayMetrics(this.#region.region, {
      sockets: () => sockets.connections,
      subscriptions: () => hub.subscriptions,
      groups: () => hub.groups,
      causalWaiters: () => feed.waits.count,
      poolActive: () => pool.active,
      poolWaiting: () => pool.waiting,
      feedRunning: () => feed.running,
      stalenessMs: () => {
        const known = this.#peers().map(({ name, stalenessMs }) => [name, stalenessMs()] as const);
        return new Map(known.flatMap(([name, ms]) => (ms === null ? [] : [[name, ms] as const])));
      },
    });
  }

  #routes(): readonly Route[] {
    const get = (path: string, handle: Route['handle']): Route => ({ method: 'GET', path, handle });
    const pages: Route[] = [];
    if (this.#config.gateway.statusPage) {
      pages.push(get('/', (_, response) => sendPage(response, 'status')));
      pages.push(get('/status.json', (request, response) => this.#report(request, response)));
    }
    if (this.#config.gateway.graphiql) {
      pages.push(get('/explorer', (_, response) => sendPage(response, 'explorer')));
    }
    return [
      get('/livez', (_, response) => this.#health.live(response)),
      get('/readyz', (_, response) => this.#health.ready(response)),
      get('/metrics', (_, response) => this.#metrics.answer(response)),
      ...pages,
    ];
  }

  async #report({ headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await regionReport({
      cluster: this.#config.cluster,
      region: this.#region.region,
      regions: [...this.#config.regions.values()].map(({ region, gateway: { host, port } }) => {
        return { name: region, status: `http://${host}:${port}/status.json` };
      }),
      pool: this.#pool,
      feed: this.#live.feed,
      peers: this.#peers(),
      subscriptions: () => this.#live.hub.subscriptions,
      replicator: () => this.#replicator(),
    });
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      Vary: 'Origin',
      ...this.#forPageOf(headers.origin),
    });
    response.end(body);
  }

  /** The pages of the other regions' gateways show this one, too; nobody else's may. */
  #forPageOf(origin: string | undefined): Readonly<Record<string, string>> {
    const gateways = [...this.#config.regions.values()].map(({ gateway: { host, port } }) => {
      return `http://${host}:${port}`;
    });
    const known = origin !== undefined && gateways.includes(origin);
    return known ? { 'Access-Control-Allow-Origin': origin } : {};
  }

  async #replicator(): Promise<unknown> {
    const { host, port } = this.#region.admin;
    try {
      const signal = AbortSignal.timeout(ADMIN_TIMEOUT_MS);
      const response = await fetch(`http://${host}:${port}/status`, { signal });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }
}
