import { EverywriteError } from '#core/errors.ts';
import { regionConfig } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { PINNED_SETTINGS } from '#replicator/pg/connection-settings.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';
import { readRegionRow } from '#replicator/pg/region-row.ts';

/** A region's database, prepared for Everywrite, that prints values as the log has them. */
export interface RecordsClient {
  readonly region: RegionConfig;
  readonly client: AdminClient;
}

/** Connects to one region; the caller closes the client. */
export async function openRegion(
  config: ClusterConfig,
  region: RegionConfig,
  signal: AbortSignal,
): Promise<RecordsClient> {
  const { connectTimeoutMs } = config.replication;
  const client = await openAdminClient({ url: region.database, connectTimeoutMs, signal });
  try {
    if ((await readRegionRow(client)) === null) throw notPrepared(region);
    for (const [name, value] of Object.entries(PINNED_SETTINGS)) {
      await client.execute(`SET ${name} = ${quoteLiteral(value)}`);
    }
    return { region, client };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The named region, or the first of the configuration that answers: what is asked is the same in all. */
export async function openAnyRegion(
  config: ClusterConfig,
  name: string | undefined,
  signal: AbortSignal,
): Promise<RecordsClient> {
  if (name !== undefined) return openRegion(config, regionConfig(config, name), signal);
  const failures: EverywriteError[] = [];
  for (const region of config.regions.values()) {
    try {
      return await openRegion(config, region, signal);
    } catch (error) {
      if (!(error instanceof EverywriteError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  throw first ?? new RangeError('a configuration without regions');
}

function notPrepared({ region }: RegionConfig): EverywriteError {
  return new EverywriteError({
    code: 'DATABASE_NOT_PREPARED',
    recovery: 'operator',
    message: `The database of ${region} is not prepared; run "everywrite init --region ${region}".`,
  });
}
