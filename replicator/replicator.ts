import { EverywriteError } from '#core/errors.ts';
import type { Logger } from '#core/ports.ts';
import { parseRegionId } from '#core/region.ts';
import type { RegionId } from '#core/region.ts';
import { startAdmin } from '#replicator/admin.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { Region } from '#replicator/engine/region/region.ts';
import type { RegionOptions } from '#replicator/engine/region/ports.ts';
import { BLANK_STATUS } from '#replicator/engine/region/status.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import { untilThere } from '#replicator/engine/region/until-there.ts';
import { trailMs } from '#replicator/nats/durability.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import { slotName } from '#replicator/pg/slot.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';
import { systemClock, systemRandom, systemTimers } from '#replicator/system-ports.ts';

/** One region's replicator on real servers, with its status page. */
export interface Replicator {
  status(): RegionStatus;
  /** Resolves when everything is closed. */
  stop(): Promise<void>;
}

export function regionConfig(config: ClusterConfig, name: string): RegionConfig {
  const found = config.regions.get(parseRegionId(name));
  if (found !== undefined) return found;
  const names = [...config.regions.keys()].join(', ');
  throw new EverywriteError({
    code: 'USAGE',
    recovery: 'operator',
    message: `There is no region "${name}" in the configuration; it has ${names}.`,
  });
}

/** Starts at once and keeps trying: a database or log that is not there yet is waited for. */
export async function startReplicator(
  config: ClusterConfig,
  region: RegionId,
  logger: Logger,
): Promise<Replicator> {
  const own = regionConfig(config, region);
  const stop = new AbortController();
  let current: Region | null = null;
  let waiting: RegionStatus['error'] = null;
  const status = (): RegionStatus =>
    current?.status() ?? { ...BLANK_STATUS, region, error: waiting };
  const admin = await startAdmin(own.admin, {
    status,
    retryQuarantined: (relation, key) => current?.retryQuarantined(relation, key) ?? null,
  });
  const work = (async () => {
    const logs = logStores(config, own, logger);
    const failed = (error: RegionStatus['error']): void => {
      waiting = error;
    };
    const wait = <There>(what: string, attempt: () => Promise<There>): Promise<There | null> =>
      untilThere(what, attempt, { timers: systemTimers, logger }, stop.signal, failed);
    const database = await wait('database', () => connectDatabase(config, own));
    // What the log's server can promise decides how far the slot trails.
    const serverVersion = await wait('log', async () => (await logs.local()).serverVersion);
    if (database !== null && serverVersion !== null) {
      const replication = new PgReplicationSource({
        url: own.database,
        applicationName: `everywrite capture ${region}`,
        connectTimeoutMs: config.replication.connectTimeoutMs,
      });
      const ports = { clock: systemClock, timers: systemTimers, random: systemRandom };
      current = new Region(
        { ...ports, logger, database, replication, logs },
        regionOptions(config, region, serverVersion),
      );
      await current.run(stop.signal);
      await database.close();
    }
    await logs.close();
  })();
  return {
    status,
    stop: async () => {
      stop.abort();
      await work;
      await admin.close();
    },
  };
}

function regionOptions(
  config: ClusterConfig,
  region: RegionId,
  serverVersion: string,
): RegionOptions {
  const { replication, log } = config;
  return {
    region,
    members: [...config.regions.keys()],
    slot: slotName(config.cluster),
    publication: 'everywrite',
    origin: replication.origin,
    heartbeatIntervalMs: replication.heartbeatIntervalMs,
    lockTimeoutMs: replication.lockTimeoutMs,
    fenceTimeoutMs: replication.fenceTimeoutMs,
    maxBatchRows: replication.maxBatchRows,
    maxInboxBytes: replication.maxInboxBytes,
    maxUnpublishedBytes: replication.maxUnpublishedBytes,
    indexMaxKeys: replication.indexMaxKeys,
    conflictRetentionHours: replication.conflictRetentionHours,
    conflictMaxRows: replication.conflictMaxRows,
    logTrailMs: trailMs({
      serverVersion,
      syncAlways: log.syncAlways,
      syncIntervalMs: log.syncIntervalMs,
    }),
  };
}

function logStores(config: ClusterConfig, own: RegionConfig, logger: Logger): NatsLogStores {
  const peerUrls: Record<string, string> = {};
  for (const [peer, { nats }] of config.regions) {
    if (peer !== own.region) peerUrls[peer] = own.peers.get(peer) ?? nats;
  }
  return new NatsLogStores({
    cluster: config.cluster,
    region: own.region,
    localUrl: own.nats,
    peerUrls,
    limits: { replicas: config.log.replicas, streamBytesMax: config.log.maxBytes },
    logger,
  });
}

function connectDatabase(config: ClusterConfig, own: RegionConfig): Promise<PgDatabase> {
  const { connectTimeoutMs } = config.replication;
  return PgDatabase.connect({ url: own.database, cluster: config.cluster, connectTimeoutMs });
}
