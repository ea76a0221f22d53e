import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { schemaVersion } from '#replicator/pg/migrations.ts';
import { quoteLiteral } from '#replicator/pg/quote.ts';
import type { Striping } from '#replicator/pg/sequences.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';

/** Whose database this is: the one row of everywrite.region. */
export interface RegionRow {
  readonly cluster: string;
  readonly region: string;
  readonly epoch: number;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly slot: string;
  readonly publication: string;
  readonly initialSettings: number;
  readonly stride: number;
  readonly offset: number;
  readonly slotCreated: boolean;
}

export interface RegionIdentity extends Striping {
  readonly cluster: string;
  readonly region: RegionId;
}

/** Null while the database is not prepared. */
export async function readRegionRow(client: AdminClient): Promise<RegionRow | null> {
  if ((await schemaVersion(client)) === 0) return null;
  const [row] = await client.select<RegionRow>(
    `SELECT cluster, region, epoch, system_identifier::text AS "systemIdentifier", timeline, slot,
       publication, initial_settings AS "initialSettings", stride, stride_offset AS offset,
       slot_created_at IS NOT NULL AS "slotCreated"
     FROM everywrite.region`,
  );
  return row ?? null;
}

/** Refuses a database that belongs to another region, or to another time. */
export function requireSameRegion(
  row: RegionRow,
  wanted: RegionIdentity,
  facts: ServerFacts,
): void {
  const { database } = facts;
  if (row.cluster !== wanted.cluster || row.region !== wanted.region) {
    throw refused(
      'DATABASE_NOT_PREPARED',
      `Database ${database} is region "${row.region}" of cluster "${row.cluster}" already, not "${wanted.region}" of "${wanted.cluster}"; check the database url, or, if it is a copy that never ran as a region, run DROP SCHEMA everywrite CASCADE; there first.`,
    );
  }
  if (row.systemIdentifier !== facts.systemIdentifier) {
    throw refused(
      'EPOCH_CHANGED',
      `Database ${database} was prepared on another server (system identifier ${row.systemIdentifier}, here ${facts.systemIdentifier}), so its WAL positions mean nothing here; this region must join again.`,
    );
  }
  if (facts.timeline !== null && row.timeline !== facts.timeline) {
    throw refused(
      'EPOCH_CHANGED',
      `Database ${database} was prepared on timeline ${row.timeline} and is on ${facts.timeline} now (a promotion or a restore), so commits may be missing; this region must join again.`,
    );
  }
  if (row.stride !== wanted.stride || row.offset !== wanted.offset) {
    throw refused(
      'CONFIG_INVALID',
      `Region ${row.region} counts its sequences in steps of ${row.stride} at residue ${row.offset}, the configuration now says ${wanted.stride} and ${wanted.offset}; keep replication.sequenceStride, list new regions last, or set regions.${row.region}.sequenceOffset to ${row.offset}.`,
    );
  }
}

export async function insertRegionRow(
  client: AdminClient,
  row: Omit<RegionRow, 'slotCreated'>,
): Promise<void> {
  await client.execute(
    `INSERT INTO everywrite.region (cluster, region, epoch, system_identifier, timeline, slot,
       publication, initial_settings, stride, stride_offset)
     VALUES (${quoteLiteral(row.cluster)}, ${quoteLiteral(row.region)}, ${row.epoch},
       ${row.systemIdentifier}, ${row.timeline}, ${quoteLiteral(row.slot)},
       ${quoteLiteral(row.publication)}, ${row.initialSettings}, ${row.stride}, ${row.offset})`,
  );
}

function refused(code: ErrorCode, message: string): EverywriteError {
  return new EverywriteError({ code, recovery: 'operator', message });
}
