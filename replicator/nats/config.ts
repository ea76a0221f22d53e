import type { Authenticator, TlsOptions } from '@nats-io/transport-node';
import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';

/** How one server is told who we are; everything is passed through to the NATS client. */
export interface NatsAccess {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly authenticator?: Authenticator;
  readonly tls?: TlsOptions;
}

export interface NatsConfig {
  readonly cluster: string;
  /** This region: its name is the inbox prefix and the start of its consumers' names. */
  readonly region: RegionId;
  /** Several servers of one NATS cluster are separated by commas. */
  readonly localUrl: string;
  readonly peerUrls: Readonly<Record<string, string>>;
  /** For every server that `peerAccess` does not name. A `user:pass@` in a URL comes before both. */
  readonly access?: NatsAccess;
  readonly peerAccess?: Readonly<Record<string, NatsAccess>>;
  readonly limits?: Partial<NatsLimits>;
  readonly logger?: Logger;
}

/** Every bound of the adapter, and every wait. */
export interface NatsLimits {
  /** Copies of each stream within one NATS cluster. */
  readonly replicas: number;
  /** The most that one stream may hold; -1 leaves it to the server's `max_file_store`. */
  readonly streamBytesMax: number;
  /** Published and not yet acknowledged; further appends wait in our memory, in order. */
  readonly inFlightMax: number;
  readonly inFlightBytesMax: number;
  readonly ackTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Requested from the server, arrived and still with the reader, together. */
  readonly readAheadBytesMax: number;
  readonly readAheadEntriesMax: number;
  /** How long a reader waits without a connection before it throws LOG_UNREACHABLE. */
  readonly readerPatienceMs: number;
  /** The same for a peer's log: short, because another peer may have what it has. */
  readonly peerPatienceMs: number;
  /** The server forgets a reader of which it has heard nothing for so long. */
  readonly consumerIdleMs: number;
  /** The server says at this interval that an idle reader is still known; two missing recreate it. */
  readonly consumerHeartbeatMs: number;
  readonly connectTimeoutMs: number;
  /** Two unanswered pings in silence end a connection: it is reported after two to three of these. */
  readonly localPingMs: number;
  readonly peerPingMs: number;
  readonly localRetryMs: RetryRange;
  readonly peerRetryMs: RetryRange;
}

/** Waits double from `min` to `max`, each shortened at random by up to a half. */
export interface RetryRange {
  readonly min: number;
  readonly max: number;
}

export const DEFAULT_LIMITS: NatsLimits = {
  replicas: 1,
  streamBytesMax: -1,
  inFlightMax: 4_096,
  inFlightBytesMax: 32 * 1024 * 1024,
  ackTimeoutMs: 5_000,
  requestTimeoutMs: 5_000,
  readAheadBytesMax: 8 * 1024 * 1024,
  readAheadEntriesMax: 16_384,
  readerPatienceMs: 5_000,
  peerPatienceMs: 200,
  consumerIdleMs: 30_000,
  consumerHeartbeatMs: 2_000,
  connectTimeoutMs: 3_000,
  localPingMs: 500,
  peerPingMs: 500,
  localRetryMs: { min: 50, max: 250 },
  peerRetryMs: { min: 50, max: 150 },
};
