import type { RegionId } from '#core/region.ts';
import type { RegionOptions } from '#replicator/engine/region/ports.ts';

const MIB = 1024 * 1024;
/** A pass of the log's sync over its streams: replicator/nats/durability.ts counts on it. */
const SYNC_PASS_MS = 5_000;

/** As the configuration has them (replicator/config/schema.ts); a scenario may set each. */
const DEFAULTS = {
  heartbeatIntervalMs: 500,
  lockTimeoutMs: 40,
  fenceTimeoutMs: 500,
  maxBatchRows: 2_000,
  maxInboxBytes: 16 * MIB,
  maxUnpublishedBytes: 16 * MIB,
  indexMaxKeys: 100_000,
  conflictRetentionHours: 720,
  conflictMaxRows: 1_000_000,
} as const;

export const SLOT = 'everywrite_sim';
export const PUBLICATION = 'everywrite';
export const CLUSTER = 'sim';

/** The engine's options of one region; `set` are a scenario's own limits. */
export function regionOptions(
  region: RegionId,
  members: readonly RegionId[],
  set: Readonly<Record<string, number>>,
  logSyncIntervalMs: number,
): RegionOptions {
  return {
    region,
    members,
    slot: SLOT,
    publication: PUBLICATION,
    origin: 'auto',
    ...DEFAULTS,
    ...set,
    logTrailMs: logSyncIntervalMs === 0 ? 0 : logSyncIntervalMs + SYNC_PASS_MS,
  };
}
