import { relationId } from '#core/relation.ts';
import { byCodeUnit } from '#core/version-vector.ts';
import type { RegionSnapshot } from '#deploy/verify/region-snapshot.ts';
import type { ByRegion } from '#deploy/verify/verify-report.ts';
import type { ClusterConfig } from '#replicator/config.ts';
import { matchesPattern } from '#replicator/config/object-name.ts';
import { selectTables } from '#replicator/pg/select-tables.ts';
import { readUserTables } from '#replicator/pg/user-tables.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';

/** A table that is replicated in at least one region, and what of it can be compared. */
export interface ComparedTable {
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  /** Regions that replicate it. */
  readonly present: readonly string[];
  readonly absent: Readonly<Record<string, string>>;
  /** Primary key columns; the first region's when they differ. */
  readonly key: readonly string[];
  /** Columns that all have, in the order of their names: the physical order may differ. */
  readonly common: readonly string[];
  readonly unequalColumns: Readonly<Record<string, ByRegion>>;
}

interface RegionTables {
  readonly region: string;
  readonly replicated: ReadonlyMap<string, UserTable>;
  /** Why others are not replicated. */
  readonly reasons: ReadonlyMap<string, string>;
}

export async function listTables(
  config: ClusterConfig,
  snapshots: readonly RegionSnapshot[],
  pattern: string,
): Promise<readonly ComparedTable[]> {
  const regions = await Promise.all(snapshots.map((snapshot) => tablesOf(config, snapshot)));
  const ids = new Set(regions.flatMap(({ replicated }) => [...replicated.keys()]));
  return [...ids]
    .toSorted(byCodeUnit)
    .flatMap((id) => comparedTable(id, regions))
    .filter(({ schema, name }) => matchesPattern(pattern, schema, name));
}

async function tablesOf(config: ClusterConfig, snapshot: RegionSnapshot): Promise<RegionTables> {
  const catalogue = await readUserTables(snapshot.client);
  const selection = selectTables(catalogue, config.tables, config.columns, config.rows);
  return {
    region: snapshot.region,
    replicated: new Map(selection.replicated.map(({ table }) => [relationId(table), table])),
    reasons: new Map(selection.leftOut.map(({ table, reason }) => [table, reason])),
  };
}

function comparedTable(id: string, regions: readonly RegionTables[]): readonly ComparedTable[] {
  const present = regions.flatMap(({ region, replicated }) => {
    const table = replicated.get(id);
    return table === undefined ? [] : [{ region, table }];
  });
  const [first] = present;
  if (first === undefined) return [];
  const absent = regions
    .filter(({ replicated }) => !replicated.has(id))
    .map(({ region, reasons }) => [region, reasons.get(id) ?? 'does not exist'] as const);
  const types = columnTypes(present);
  const unequal = [...types].filter(([, byRegion]) => new Set(Object.values(byRegion)).size > 1);
  const common = [...types]
    .filter(([, byRegion]) => Object.values(byRegion).every((type) => type !== null))
    .map(([name]) => name);
  const key = (first.table.primaryKey?.columns ?? []).filter((name) => common.includes(name));
  return [
    {
      id,
      schema: first.table.schema,
      name: first.table.name,
      present: present.map(({ region }) => region),
      absent: Object.fromEntries(absent),
      key,
      common,
      unequalColumns: Object.fromEntries(unequal),
    },
  ];
}

function columnTypes(
  present: readonly { readonly region: string; readonly table: UserTable }[],
): ReadonlyMap<string, ByRegion> {
  const names = new Set(present.flatMap(({ table }) => table.columns.map(({ name }) => name)));
  const typeIn = (table: UserTable, name: string): string | null =>
    table.columns.find((column) => column.name === name)?.type ?? null;
  return new Map(
    [...names].toSorted(byCodeUnit).map((name) => {
      const byRegion = present.map(({ region, table }) => [region, typeIn(table, name)] as const);
      return [name, Object.fromEntries(byRegion)];
    }),
  );
}
