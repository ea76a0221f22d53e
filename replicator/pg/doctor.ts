import { EverywriteError } from '#core/errors.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { serverOf } from '#replicator/config/secrets.ts';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { checkPrepared, checkRunning } from '#replicator/pg/doctor/activity-checks.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { checkRegion, checkSlot } from '#replicator/pg/doctor/region-checks.ts';
import { checkReplicaRole, checkRole, checkWalsender } from '#replicator/pg/doctor/role-checks.ts';
import { checkServer, checkSettings } from '#replicator/pg/doctor/server-checks.ts';
import {
  checkPublication,
  checkReplicaIdentity,
  checkSelection,
  checkSequences,
} from '#replicator/pg/doctor/table-checks.ts';
import { readPublication } from '#replicator/pg/publication.ts';
import { readRegionRow } from '#replicator/pg/region-row.ts';
import { selectTables } from '#replicator/pg/select-tables.ts';
import { VERSION_MINIMUM, readServerFacts } from '#replicator/pg/server-facts.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';
import { readSlot, slotName } from '#replicator/pg/slot.ts';
import { readUserTables } from '#replicator/pg/user-tables.ts';

/** The preflight list for one region's database. Changes nothing; never rejects for what it finds. */
export async function examineDatabase(
  config: ClusterConfig,
  region: RegionConfig,
  signal?: AbortSignal,
): Promise<readonly Check[]> {
  const { connectTimeoutMs } = config.replication;
  const connection = { url: region.database, connectTimeoutMs, signal };
  let client: AdminClient;
  try {
    client = await openAdminClient(connection);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return [fail('database', found, `check regions.${region.region}.database`)];
  }
  try {
    const facts = await readServerFacts(client);
    const reached = ok('database', `${serverOf(region.database)} as ${facts.role}`);
    const first = [reached, ...checkServer(facts)];
    // The catalogue of an older server has not the columns that the other checks read.
    if (facts.version < VERSION_MINIMUM) return first;
    const open = () => openAdminClient({ ...connection, replication: true });
    return [
      ...first,
      ...(await attempt('role', () => checkRole(client, config, facts))),
      ...(await attempt('walsender', async () => [await checkWalsender(open, facts)])),
      ...(await attempt('settings', () => checkSettings(client, config, facts))),
      ...(await examineSetup(client, config, region, facts)),
      ...(await attempt('activity', async () => [
        await checkPrepared(client),
        await checkRunning(client),
      ])),
    ];
  } finally {
    await client.close();
  }
}

async function examineSetup(
  client: AdminClient,
  config: ClusterConfig,
  region: RegionConfig,
  facts: ServerFacts,
): Promise<readonly Check[]> {
  const striping = { stride: config.replication.sequenceStride, offset: region.sequenceOffset };
  const identity = { cluster: config.cluster, region: region.region, ...striping };
  const slot = slotName(config.cluster);
  return attempt('tables', async () => {
    const tables = await readUserTables(client);
    const selection = selectTables(tables, config.tables, config.columns, config.rows);
    const replicated = selection.replicated.map(({ table }) => table);
    const general = [
      ...checkSelection(selection, facts.role),
      await checkReplicaRole(client, facts, replicated),
    ];
    const prepared = await attempt('region', async () => {
      const row = await readRegionRow(client);
      const slotState = await readSlot(client, slot);
      const checks = [checkRegion(row, identity, facts), checkSlot(slot, slotState, row, facts)];
      // Before init all of these would fail, and say nothing but "run init".
      if (row === null) return checks;
      const publication = await readPublication(client, facts.version);
      return [
        ...checks,
        checkPublication(publication, selection, facts.version),
        checkReplicaIdentity(selection),
        ...(await attempt('sequences', () => checkSequences(client, selection, striping))),
      ];
    });
    return [...general, ...prepared];
  });
}

/** A check that the role may not even make is a finding, not the end of the examination. */
async function attempt(
  id: string,
  examine: () => Promise<readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    return await examine();
  } catch (error) {
    if (!(error instanceof EverywriteError)) throw error;
    if (error.code === 'DATABASE_UNREACHABLE') {
      return [fail(id, error.message, 'check that PostgreSQL runs')];
    }
    const fix = 'run doctor as the role that the replicator uses';
    return [warn(id, `could not be examined: ${error.message}`, fix)];
  }
}
