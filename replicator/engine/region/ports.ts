import type { Clock, Logger, Random, Timers } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { Database } from '#replicator/engine/database-port.ts';
import type { LogStores } from '#replicator/engine/log-port.ts';
import type { ReplicationSource } from '#replicator/engine/replication-port.ts';

/** The world, as one region's replicator sees it. */
export interface RegionPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly database: Database;
  readonly replication: ReplicationSource;
  readonly logs: LogStores;
}

export interface RegionOptions {
  readonly region: RegionId;
  /** Every member, this region included. */
  readonly members: readonly RegionId[];
  readonly slot: string;
  readonly publication: string;
  /** `marker`: never use replication origins, even where the server could. */
  readonly origin: 'auto' | 'marker';
  readonly heartbeatIntervalMs: number;
  readonly lockTimeoutMs: number;
  readonly fenceTimeoutMs: number;
  readonly maxBatchRows: number;
  readonly maxInboxBytes: number;
  readonly maxUnpublishedBytes: number;
  /** Rows of the unstable index kept in memory; the rest spills to a table. */
  readonly indexMaxKeys: number;
  /** Conflict records older than this, or beyond this many, are forgotten. */
  readonly conflictRetentionHours: number;
  readonly conflictMaxRows: number;
  /** How long an acknowledged frame may still be lost in a power cut. */
  readonly logTrailMs: number;
}
