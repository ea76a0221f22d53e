import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll } from 'vitest';
import { WebSocket } from 'ws';
import type { RegionId } from '#core/region.ts';
import { LiveSchema } from '#gateway/live-schema.ts';
import { Pool } from '#gateway/pg/pool.ts';
import { RegionLive } from '#gateway/region-live.ts';
import { subscriptionFields } from '#gateway/subscriptions/subscription-fields.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import { systemClock, systemTimers } from '#replicator/system-ports.ts';
import { ENGINE } from '#tests/gateway/live-gateway.ts';
import { withRegions } from '#tests/support/regions.ts';
import type { RegionsOptions, TestRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

/** What a subscription of the tests is told, one list per transaction. */
export interface ChangeItem {
  readonly op: string;
  readonly key: Readonly<Record<string, unknown>> | null;
  readonly node: Readonly<Record<string, unknown>> | null;
  readonly changedFields: readonly string[] | null;
  readonly origin: string | null;
  readonly cursor: string | null;
}

/** One region's gateway, as far as it is live: WebSockets over its region's servers. */
export class RegionGateway {
  readonly url: string;
  readonly live: RegionLive;
  readonly #close: () => Promise<void>;
  readonly #clients = new Set<Client>();

  private constructor(url: string, live: RegionLive, close: () => Promise<void>) {
    this.url = url;
    this.live = live;
    this.#close = close;
  }

  static async start(regions: TestRegions, region: TestRegion): Promise<RegionGateway> {
    const { config } = regions.cluster;
    const own = config.regions.get(region.name);
    const pool = new Pool({
      url: region.url,
      applicationName: 'gateway test',
      connectTimeoutMs: 5000,
      statementTimeoutMs: 20_000,
      maxConnections: 4,
      maxWaiting: 100,
      waitTimeoutMs: 10_000,
    });
    const schema = new LiveSchema(pool, {
      model: { schemas: ['public'], mergeOf: () => undefined },
      engine: ENGINE,
      subscriptions: subscriptionFields,
      pollMs: 1000,
      onProblem: () => undefined,
      onError: () => undefined,
    });
    await schema.load();
    const logs = new NatsLogStores({
      cluster: config.cluster,
      region: region.name,
      localUrl: own?.nats ?? '',
      peerUrls: {},
    });
    const live = new RegionLive({
      region: region.name,
      regions: [...config.regions.keys()],
      pool,
      feedPool: pool,
      engine: () => schema.engine,
      streams: async (origin: RegionId) => (await logs.local()).stream(origin, false),
      rows: ENGINE.rows,
      authenticate: (role) => {
        const [name, claims = ''] = (role ?? '').split(' ', 2);
        const principal = { role: name === '' ? null : (name ?? null), claims, key: role ?? '' };
        return Promise.resolve({ who: principal, expiresAtMs: null });
      },
      clock: systemClock,
      timers: systemTimers,
      logger: { log: () => undefined },
    });
    const server = createServer();
    live.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return new RegionGateway(`ws://127.0.0.1:${port}/graphql`, live, async () => {
      server.close();
      server.closeAllConnections();
      await live.stop();
      await pool.close();
      await logs.close();
    });
  }

  /** A stock client, of nobody in particular or of a role and its claims. */
  client(authorization?: string): Client {
    const client = createClient({
      url: this.url,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: authorization === undefined ? {} : { authorization },
    });
    this.#clients.add(client);
    return client;
  }

  subscribe(query: string, options: SubscribeOptions = {}): Subscribed {
    return new Subscribed(this.client(options.as), query, options);
  }

  /** A query or mutation, with a causal token in and out. */
  async ask(query: string, token?: string): Promise<Asked> {
    const client = this.client();
    const extensions = token === undefined ? undefined : { causal: { token } };
    const result = client.iterate({ query, ...(extensions === undefined ? {} : { extensions }) });
    try {
      const { value } = (await result.next()) as { value: Asked };
      return value;
    } finally {
      await client.dispose();
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.dispose();
    await this.#close();
  }
}

export interface Asked {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly extensions?: { readonly causal: { readonly token: string; readonly region: string } };
}

export interface SubscribeOptions {
  readonly as?: string;
  readonly cursor?: string | null;
  readonly variables?: Record<string, unknown>;
}

/** A running subscription that remembers what it was told. */
export class Subscribed {
  /** One per transaction. */
  readonly lists: (readonly ChangeItem[])[] = [];
  readonly errors: unknown[] = [];
  cursor: string | null;
  readonly #client: Client;

  constructor(client: Client, query: string, { cursor = null, variables }: SubscribeOptions) {
    this.#client = client;
    this.cursor = cursor;
    const extensions = cursor === null ? {} : { extensions: { resume: { cursor } } };
    const given = variables === undefined ? {} : { variables };
    client.subscribe<Record<string, ChangeItem[]>>(
      { query, ...given, ...extensions },
      {
        next: (result) => {
          const { cursor: at } = (result.extensions ?? {}) as { readonly cursor?: string };
          this.cursor = at ?? this.cursor;
          const [list = []] = Object.values(result.data ?? {});
          this.lists.push(list);
        },
        error: (error) => this.errors.push(error),
        complete: () => undefined,
      },
    );
  }

  get items(): readonly ChangeItem[] {
    return this.lists.flat();
  }

  async stop(): Promise<void> {
    await this.#client.dispose();
  }
}

/** Regions with a gateway each, for a test file; call it at the top. */
export function withGateways(options: RegionsOptions): {
  readonly regions: () => TestRegions;
  readonly gateway: (name: string) => RegionGateway;
} {
  const regions = withRegions(options);
  const gateways = new Map<string, RegionGateway>();
  beforeAll(async () => {
    for (const region of regions().all) {
      gateways.set(region.name, await RegionGateway.start(regions(), region));
    }
  });
  afterAll(async () => {
    await Promise.allSettled([...gateways.values()].map((gateway) => gateway.close()));
  });
  return {
    regions,
    gateway: (name) => {
      const found = gateways.get(name);
      if (found === undefined) throw new RangeError(`no gateway ${name}`);
      return found;
    },
  };
}
