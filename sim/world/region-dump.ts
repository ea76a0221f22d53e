import type { Row } from '#sim/history/event.ts';
import type { RegionDump, TableModel } from '#sim/run/world.ts';
import type { SimRegion } from '#sim/world/sim-region.ts';

/** What a region's database holds now, committed; rows in the order of their texts. */
export function dumpRegion({ pg }: SimRegion, tables: readonly TableModel[]): RegionDump {
  const rows = new Map<string, readonly Row[]>();
  for (const { name } of tables) rows.set(name, sorted(pg.rows(name)));
  const [applied] = pg.rows('everywrite.applied');
  return {
    tables: rows,
    vector: applied?.['vector'] ?? '',
    conflicts: sorted(pg.rows('everywrite.conflicts')).map((row) => JSON.stringify(row)),
    quarantined: pg.rows('everywrite.quarantine').length,
    generation: Number(applied?.['generation'] ?? 0),
  };
}

function sorted(rows: readonly Row[]): readonly Row[] {
  const texts = rows.map((row) => ({ row, text: JSON.stringify(row) }));
  texts.sort((left, right) => (left.text < right.text ? -1 : Number(left.text > right.text)));
  return texts.map(({ row }) => row);
}
