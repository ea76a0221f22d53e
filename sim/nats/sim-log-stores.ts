import { EverywriteError } from '#core/errors.ts';
import { must } from '#core/assert.ts';
import type { RegionId } from '#core/region.ts';
import type { LogStore, LogStores, LogStream } from '#replicator/engine/log-port.ts';
import type { Caller, RandomStream } from '#sim/kernel/ports.ts';
import { NatsLink } from '#sim/nats/nats-link.ts';
import { SIM_NATS_LIMITS } from '#sim/nats/nats-limits.ts';
import type { SimNatsServer } from '#sim/nats/nats-server.ts';
import { unreachable } from '#sim/nats/nats-errors.ts';
import { SimLogStream } from '#sim/nats/sim-log-stream.ts';
import type { Network } from '#sim/network/network.ts';

export interface SimLogStoresOptions {
  /** The replicator whose connections these are. */
  readonly client: Caller;
  readonly region: RegionId;
  readonly servers: ReadonlyMap<RegionId, SimNatsServer>;
  readonly network: Network;
  readonly random: RandomStream;
}

const STREAM_INFO_BYTES = 500;

/** The log stores of one replicator: its own region's, and its peers' over the network. */
export class SimLogStores implements LogStores {
  readonly #options: SimLogStoresOptions;
  readonly #stores = new Map<RegionId, SimLogStore>();

  constructor(options: SimLogStoresOptions) {
    this.#options = options;
  }

  async local(): Promise<LogStore> {
    const store = this.#store(this.#options.region);
    await store.link.untilUp(SIM_NATS_LIMITS.connectTimeoutMs);
    return store;
  }

  async peer(region: RegionId): Promise<LogStore> {
    const store = this.#store(region);
    try {
      await store.link.untilUp(SIM_NATS_LIMITS.connectTimeoutMs);
      return store;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new EverywriteError({ code: 'PEER_UNREACHABLE', recovery: 'retry', message, cause });
    }
  }

  #store(region: RegionId): SimLogStore {
    const known = this.#stores.get(region);
    if (known !== undefined) return known;
    const { client, region: from, servers, network, random } = this.#options;
    const isLocal = region === from;
    const { localRetryMs, peerRetryMs, localPatienceMs, peerPatienceMs } = SIM_NATS_LIMITS;
    const link = new NatsLink({
      client,
      from,
      to: region,
      server: must(servers.get(region), `the log of ${region}`),
      network,
      random,
      limits: SIM_NATS_LIMITS,
      retryMs: isLocal ? localRetryMs : peerRetryMs,
    });
    const patienceMs = isLocal ? localPatienceMs : peerPatienceMs;
    const nextId = (): string => random.u32().toString(36);
    const store = new SimLogStore(link, patienceMs, nextId);
    this.#stores.set(region, store);
    return store;
  }
}

class SimLogStore implements LogStore {
  readonly link: NatsLink;
  readonly #patienceMs: number;
  readonly #nextId: () => string;
  readonly #streams = new Map<RegionId, SimLogStream>();

  constructor(link: NatsLink, patienceMs: number, nextId: () => string) {
    this.link = link;
    this.#patienceMs = patienceMs;
    this.#nextId = nextId;
  }

  connected(): boolean {
    return this.link.session !== null;
  }

  async stream(origin: RegionId, create: boolean): Promise<LogStream | null> {
    const { server, limits } = this.link.options;
    const session = await this.link.untilUp(limits.requestTimeoutMs);
    const name = `${server.name}/${origin}`;
    if (session === null) throw unreachable(`${name}: the log was closed`);
    const there = await session.ask<boolean>('log.stream', name, () => {
      if (create) server.create(origin);
      return { reply: server.stream(origin) !== null, bytes: STREAM_INFO_BYTES };
    });
    if (!there) return null;
    const known = this.#streams.get(origin);
    if (known !== undefined) return known;
    const options = { link: this.link, origin, patienceMs: this.#patienceMs };
    const stream = new SimLogStream({ ...options, nextId: this.#nextId });
    this.#streams.set(origin, stream);
    return stream;
  }

  close(): Promise<void> {
    this.link.close();
    return Promise.resolve();
  }
}
