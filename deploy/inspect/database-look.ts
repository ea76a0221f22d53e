import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { readRegionRow } from '#replicator/pg/region-row.ts';
import { readSlotHealth } from '#replicator/pg/slot-health.ts';
import { slotName } from '#replicator/pg/slot.ts';

const QUARANTINE_SHOWN_MAX = 5;

/** What a region's database itself shows, whether its replicator runs or not. */
export interface DatabaseLook {
  /** False until `everywrite init`; then everything below is empty. */
  readonly prepared: boolean;
  /** Of the row everywrite.applied: what the tables hold. */
  readonly appliedVector: string;
  readonly slot: SlotLook | null;
  readonly conflicts: number;
  readonly quarantined: number;
  /** The oldest few. */
  readonly quarantine: readonly QuarantinedRow[];
}

export interface SlotLook {
  readonly name: string;
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost';
  /** Whether a replicator reads it now. */
  readonly active: boolean;
  /** WAL that PostgreSQL keeps on disk for it. */
  readonly retainedBytes: number | null;
  /** How much more it may keep before it is at risk; null: without limit. */
  readonly safeWalBytes: number | null;
  /** WAL that the replicator has not confirmed yet. */
  readonly unconfirmedBytes: number | null;
}

export interface QuarantinedRow {
  readonly table: string;
  readonly key: string;
  readonly reason: string;
  readonly since: string;
  readonly attempts: number;
}

export async function lookAtDatabase(
  config: ClusterConfig,
  region: RegionConfig,
  signal: AbortSignal,
): Promise<DatabaseLook> {
  const { connectTimeoutMs } = config.replication;
  const client = await openAdminClient({ url: region.database, connectTimeoutMs, signal });
  try {
    const slot = await lookAtSlot(client, slotName(config.cluster));
    if ((await readRegionRow(client)) === null) return { ...UNPREPARED, slot };
    const [counts] = await client.select<Counts>(COUNTS);
    const quarantine = await client.select<QuarantinedRow>(QUARANTINE);
    return { prepared: true, slot, quarantine, ...(counts ?? NOTHING) };
  } finally {
    await client.close();
  }
}

type Counts = Pick<DatabaseLook, 'appliedVector' | 'conflicts' | 'quarantined'>;
const NOTHING: Counts = { appliedVector: '', conflicts: 0, quarantined: 0 };
const UNPREPARED = { prepared: false, quarantine: [], ...NOTHING };

const COUNTS = `
  SELECT (SELECT vector FROM everywrite.applied) AS "appliedVector",
    (SELECT count(*) FROM everywrite.conflicts) AS conflicts,
    (SELECT count(*) FROM everywrite.quarantine) AS quarantined`;

const QUARANTINE = `
  SELECT relation AS table, translate(key, chr(1), ',') AS key, reason, since::text, attempts
  FROM everywrite.quarantine ORDER BY since LIMIT ${QUARANTINE_SHOWN_MAX}`;

async function lookAtSlot(client: AdminClient, name: string): Promise<SlotLook | null> {
  const health = await readSlotHealth(client, name);
  if (health === null) return null;
  const { walStatus, activePid, retainedBytes, safeWalBytes, lagBytes } = health;
  return {
    name,
    walStatus,
    active: activePid !== null,
    retainedBytes,
    safeWalBytes,
    unconfirmedBytes: lagBytes,
  };
}
