/** What is known about when the log's server writes to its disk. */
export interface SyncPolicy {
  /** As the client read it, for example `2.9.10`. */
  readonly serverVersion: string;
  /** Whether the server is configured with `jetstream { sync_interval: always }`. */
  readonly syncAlways: boolean;
  /** The server's `sync_interval`, where it is configured. */
  readonly syncIntervalMs?: number | undefined;
}

/** nats-server's default `sync_interval`, in every version up to now. */
export const DEFAULT_SYNC_INTERVAL_MS = 2 * 60_000;

// A pass over the streams is started at every interval and takes time itself; what was stored just
// after its place in the pass waits for the next one.
const PASS_MS = 5_000;

/**
 * For how long after its acknowledgement a frame may still be lost when the server's machine loses
 * power: capture confirms to PostgreSQL only what is older. JetStream answers before fsync, so this
 * is the sync interval; 0 only with `sync_interval: always`, which nats-server before 2.10 does not
 * know (2.9 refuses such a configuration, so a claim that it is set there is not believed).
 * A server that is killed while its machine lives loses nothing: the frames are in the page cache.
 */
export function trailMs(policy: SyncPolicy): number {
  if (policy.syncAlways && knowsSyncAlways(policy.serverVersion)) return 0;
  return (policy.syncIntervalMs ?? DEFAULT_SYNC_INTERVAL_MS) + PASS_MS;
}

function knowsSyncAlways(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 10);
}
