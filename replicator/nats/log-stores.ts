import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogStore, LogStores } from '#replicator/engine/log-port.ts';
import { DEFAULT_LIMITS } from './config.ts';
import type { NatsAccess, NatsConfig, NatsLimits, RetryRange } from './config.ts';
import { NatsLink } from './link.ts';
import { requestFailure, unreachable } from './log-errors.ts';
import { NatsLogStream } from './log-stream.ts';
import { checkClusterName, inboxPrefix, logSubject, streamName } from './names.ts';
import { HEADER_BYTES_MAX } from './publisher.ts';
import type { Session } from './session.ts';
import { ensureStream, streamInfo } from './stream-state.ts';

/** One region's JetStream. */
export class NatsLogStore implements LogStore {
  readonly #link: NatsLink;
  readonly #config: NatsConfig;
  readonly #limits: NatsLimits;
  readonly #streams = new Map<RegionId, NatsLogStream>();
  #lastSeen: Session | null = null;

  constructor(link: NatsLink, config: NatsConfig, limits: NatsLimits) {
    this.#link = link;
    this.#config = config;
    this.#limits = limits;
  }

  /** Of the server that we are or were last connected to, for example `2.9.10`. */
  get serverVersion(): string {
    return this.#seen()?.serverVersion ?? '0.0.0';
  }

  /** The server's limit of one message; a frame may have `maxFrameBytes` of it. */
  get maxPayload(): number {
    return this.#seen()?.maxPayload ?? 0;
  }

  get maxFrameBytes(): number {
    return Math.max(0, this.maxPayload - HEADER_BYTES_MAX);
  }

  connected(): boolean {
    return this.#link.session !== null;
  }

  async stream(origin: RegionId, create: boolean): Promise<NatsLogStream | null> {
    const { cluster, region } = this.#config;
    const name = streamName(cluster, origin);
    const session = await this.#link.untilUp(this.#limits.requestTimeoutMs);
    if (session === null) throw unreachable(`${name}: the log was closed.`);
    try {
      const info = create
        ? await ensureStream(session.manager, this.#settings(name, origin, session))
        : await streamInfo(session.manager, name);
      if (info === null) return null;
    } catch (error) {
      throw requestFailure(error, name);
    }
    const known = this.#streams.get(origin);
    if (known !== undefined) return known;
    const options = { link: this.#link, cluster, region, origin, limits: this.#limits };
    const stream = new NatsLogStream(options);
    this.#streams.set(origin, stream);
    return stream;
  }

  /** Waits for a connection; rejects with LOG_UNREACHABLE when there is none within the bound. */
  async untilConnected(withinMs: number): Promise<void> {
    await this.#link.untilUp(withinMs);
    this.#seen();
  }

  async close(): Promise<void> {
    for (const stream of this.#streams.values()) stream.close();
    await this.#link.close();
  }

  #seen(): Session | null {
    this.#lastSeen = this.#link.session ?? this.#lastSeen;
    return this.#lastSeen;
  }

  #settings(name: string, origin: RegionId, session: Session) {
    return {
      name,
      subject: logSubject(this.#config.cluster, origin),
      replicas: this.#limits.replicas,
      bytesMax: this.#limits.streamBytesMax,
      messageBytesMax: session.maxPayload,
    };
  }
}

/** The JetStreams of this region and of its peers. Connections are opened once and shared. */
export class NatsLogStores implements LogStores {
  readonly #config: NatsConfig;
  readonly #limits: NatsLimits;
  readonly #peers = new Map<RegionId, NatsLogStore>();
  #local: NatsLogStore | null = null;

  constructor(config: NatsConfig) {
    checkClusterName(config.cluster);
    this.#config = config;
    this.#limits = { ...DEFAULT_LIMITS, ...config.limits };
  }

  async local(): Promise<NatsLogStore> {
    const { localPingMs, localRetryMs, connectTimeoutMs } = this.#limits;
    this.#local ??= this.#open(
      'local',
      this.#config.localUrl,
      localPingMs,
      localRetryMs,
      this.#limits,
    );
    await this.#local.untilConnected(connectTimeoutMs);
    return this.#local;
  }

  async peer(region: RegionId): Promise<NatsLogStore> {
    const store = this.#peers.get(region) ?? this.#openPeer(region);
    this.#peers.set(region, store);
    try {
      await store.untilConnected(this.#limits.connectTimeoutMs);
      return store;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new EverywriteError({ code: 'PEER_UNREACHABLE', recovery: 'retry', message, cause });
    }
  }

  async close(): Promise<void> {
    const stores = [...this.#peers.values(), ...(this.#local === null ? [] : [this.#local])];
    await Promise.all(stores.map((store) => store.close()));
  }

  #openPeer(region: RegionId): NatsLogStore {
    const url = this.#config.peerUrls[region];
    if (url === undefined) {
      throw new EverywriteError({
        code: 'CONFIG_INVALID',
        recovery: 'operator',
        message: `There is no NATS address of region "${region}" in the configuration.`,
      });
    }
    const { peerPingMs, peerRetryMs, peerPatienceMs: readerPatienceMs } = this.#limits;
    return this.#open(region, url, peerPingMs, peerRetryMs, { ...this.#limits, readerPatienceMs });
  }

  #open(
    name: string,
    url: string,
    pingMs: number,
    retryMs: RetryRange,
    limits: NatsLimits,
  ): NatsLogStore {
    const { access, peerAccess, region, logger } = this.#config;
    const own: NatsAccess = peerAccess?.[name] ?? access ?? {};
    const link = new NatsLink({
      name,
      url,
      access: own,
      inboxPrefix: inboxPrefix(region),
      connectTimeoutMs: this.#limits.connectTimeoutMs,
      requestTimeoutMs: this.#limits.requestTimeoutMs,
      pingMs,
      retryMs,
      logger,
    });
    return new NatsLogStore(link, this.#config, limits);
  }
}
