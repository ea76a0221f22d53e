/** The adapter's waits and bounds (replicator/nats/config.ts), and the server's. */
export interface SimNatsLimits {
  readonly ackTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** How long a reader waits without a connection before it throws LOG_UNREACHABLE. */
  readonly localPatienceMs: number;
  readonly peerPatienceMs: number;
  /** Two unanswered pings in silence end a connection. */
  readonly pingMs: number;
  readonly localRetryMs: RetryRange;
  readonly peerRetryMs: RetryRange;
  readonly reopenWaitMs: number;
  readonly consumerHeartbeatMs: number;
  readonly readAheadBytesMax: number;
  readonly readAheadEntriesMax: number;
  /** The server's limit of one message, its headers included. */
  readonly maxPayloadBytes: number;
}

export interface RetryRange {
  readonly min: number;
  readonly max: number;
}

export const SIM_NATS_LIMITS: SimNatsLimits = {
  ackTimeoutMs: 5_000,
  requestTimeoutMs: 5_000,
  connectTimeoutMs: 3_000,
  localPatienceMs: 5_000,
  peerPatienceMs: 200,
  pingMs: 500,
  localRetryMs: { min: 50, max: 250 },
  peerRetryMs: { min: 100, max: 400 },
  reopenWaitMs: 50,
  consumerHeartbeatMs: 2_000,
  readAheadBytesMax: 8 * 1024 * 1024,
  readAheadEntriesMax: 16_384,
  maxPayloadBytes: 1024 * 1024,
};

export const HEADER_BYTES = 256;
