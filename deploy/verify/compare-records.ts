import type { RegionSnapshot } from '#deploy/verify/region-snapshot.ts';
import type { ConflictComparison } from '#deploy/verify/verify-report.ts';
import { readRegionRow } from '#replicator/pg/region-row.ts';

export interface RecordsComparison {
  readonly conflicts: ConflictComparison;
  readonly quarantined: Readonly<Record<string, number | null>>;
}

interface Records {
  readonly conflicts: number;
  readonly digest: string;
  readonly quarantined: number;
}

/** Our own tables: the conflicts each region recorded, and the rows that its tables refuse. */
export async function compareRecords(
  snapshots: readonly RegionSnapshot[],
): Promise<RecordsComparison> {
  const answers = await Promise.all(
    snapshots.map(async ({ region, client }) => {
      if ((await readRegionRow(client)) === null) return { region, records: null };
      const [records] = await client.select<Records>(RECORDS);
      return { region, records: records ?? null };
    }),
  );
  const byRegion = (of: (records: Records) => number): Readonly<Record<string, number | null>> =>
    Object.fromEntries(
      answers.map(({ region, records }) => [region, records === null ? null : of(records)]),
    );
  return {
    conflicts: {
      same: new Set(answers.map(({ records }) => records?.digest)).size <= 1,
      counts: byRegion((records) => records.conflicts),
    },
    quarantined: byRegion((records) => records.quarantined),
  };
}

// Not recorded_at: that is when each region came to know.
const RECORDS = `
  SELECT count(*) AS conflicts,
    md5(concat_ws(':', count(*), sum(('x' || left(h, 16))::bit(64)::int8),
      sum(('x' || right(h, 16))::bit(64)::int8))) AS digest,
    (SELECT count(*) FROM everywrite.quarantine) AS quarantined
  FROM (SELECT md5(ROW(relation, key, column_name, kind, winner_dot, winner_region, winner_hlc,
      winner_value, loser_dot, loser_region, loser_hlc, loser_value)::text) AS h
    FROM everywrite.conflicts) hashed`;
