import { rowValuesQuery, shortened } from '#deploy/verify/digest-query.ts';
import type { RegionSnapshot } from '#deploy/verify/region-snapshot.ts';
import type { ComparedTable } from '#deploy/verify/table-list.ts';
import type { ByRegion, RowDifference } from '#deploy/verify/verify-report.ts';

interface RowValues {
  /** Hash of the key. */
  readonly id: string;
  readonly key: readonly (string | null)[];
  readonly values: readonly (string | null)[];
  readonly hashes: readonly (string | null)[];
}

/** What a person needs to see of the rows with these key hashes. */
export async function describeRows(
  table: ComparedTable,
  snapshots: readonly RegionSnapshot[],
  ids: readonly string[],
): Promise<readonly RowDifference[]> {
  if (ids.length === 0) return [];
  const found = new Map<string, ReadonlyMap<string, RowValues>>();
  await Promise.all(
    snapshots.map(async ({ region, client }) => {
      const rows = await client.select<RowValues>(rowValuesQuery(table), [ids]);
      found.set(region, new Map(rows.map((row) => [row.id, row])));
    }),
  );
  const regions = snapshots.map(({ region }) => region);
  return ids.map((id) =>
    describe(
      table,
      regions.map((region) => ({ region, row: found.get(region)?.get(id) })),
    ),
  );
}

function describe(
  table: ComparedTable,
  sides: readonly { readonly region: string; readonly row: RowValues | undefined }[],
): RowDifference {
  const having = sides.flatMap(({ region, row }) => (row === undefined ? [] : [{ region, row }]));
  const key = having[0]?.row.key ?? [];
  const columns = table.common.flatMap((name, at): (readonly [string, ByRegion])[] => {
    if (new Set(having.map(({ row }) => row.hashes[at])).size <= 1) return [];
    const values = having.map(({ region, row }) => {
      const value = row.values[at] ?? null;
      return [region, value === null ? null : shortened(value)] as const;
    });
    return [[name, Object.fromEntries(values)]];
  });
  return {
    key: Object.fromEntries(table.key.map((name, at) => [name, key[at] ?? null])),
    missingIn: sides.filter(({ row }) => row === undefined).map(({ region }) => region),
    columns: Object.fromEntries(columns),
  };
}
