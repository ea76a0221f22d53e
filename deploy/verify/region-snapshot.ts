import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { PINNED_SETTINGS } from '#replicator/pg/connection-settings.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';

/** One region as of one moment: every query of it sees the same committed rows. */
export interface RegionSnapshot {
  readonly region: string;
  readonly client: AdminClient;
}

// A row that prints differently would look different. Policies must not hide rows from us in silence:
// with row_security off, PostgreSQL refuses instead.
const SETTINGS = {
  ...PINNED_SETTINGS,
  lc_monetary: 'C',
  xmlbinary: 'base64',
  row_security: 'off',
  statement_timeout: '0',
};

export async function openSnapshots(
  config: ClusterConfig,
  regions: readonly RegionConfig[],
  signal: AbortSignal,
): Promise<readonly RegionSnapshot[]> {
  const { connectTimeoutMs } = config.replication;
  const opened = await Promise.allSettled(
    regions.map(async ({ region, database }): Promise<RegionSnapshot> => {
      const client = await openAdminClient({ url: database, connectTimeoutMs, signal });
      return { region, client };
    }),
  );
  const snapshots = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await Promise.all(snapshots.map(({ client }) => client.execute(BEGIN)));
    return snapshots;
  } catch (error) {
    await closeSnapshots(snapshots);
    throw error;
  }
}

export async function closeSnapshots(snapshots: readonly RegionSnapshot[]): Promise<void> {
  await Promise.all(snapshots.map(({ client }) => client.close()));
}

// The last statement fixes the snapshot: BEGIN alone does not take one.
const BEGIN = [
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  ...Object.entries(SETTINGS).map(([name, value]) => `SET LOCAL ${name} = ${settingValue(value)}`),
  'SELECT 1',
].join('; ');

// DateStyle and search_path take lists; quoted as one they would mean one odd word.
function settingValue(value: string): string {
  return value.split(',').map(quoteLiteral).join(', ');
}
