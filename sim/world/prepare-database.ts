import type { RegionId } from '#core/region.ts';
import type { RandomStream } from '#sim/kernel/ports.ts';
import type { SimClock } from '#sim/clock/sim-clock.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import type { ReplicatedTable } from '#sim/pg/prepare-region.ts';
import { SimPg } from '#sim/pg/sim-pg.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';
import type { TableModel, WorldOptions } from '#sim/run/world.ts';
import { commitEvent } from '#sim/world/commit-history.ts';
import { CLUSTER, PUBLICATION, SLOT } from '#sim/world/region-defaults.ts';
import type { Witness } from '#sim/world/witness.ts';

const VERSION_NEWEST = 180_004;
/** Without an origin filter: apply's transactions are told by their marker alone. */
const VERSION_OLDEST = 150_018;
const OLDEST_CHANCE = 0.15;
/** Transaction ids are about to wrap: what compares them must not mind. */
const WRAP_CHANCE = 0.25;
const FIRST_XID = 740;
const WRAP_XID = 0x1_0000_0000;
const WRAP_DISTANCE_MAX = 3_000;

/** A server with the scenario's tables. */
export function createDatabase(
  kernel: Kernel,
  region: RegionId,
  clock: SimClock,
  options: WorldOptions,
  witness: Witness,
): SimPg {
  const name = `${region}.pg`;
  const model = drawModel(kernel.streams.stream(`${name}/model`));
  kernel.trace.point(`${name}.model`, model);
  const pg = new SimPg({
    name,
    ...model,
    scheduler: kernel,
    streams: kernel.streams,
    trace: kernel.trace,
    wallUs: () => clock.wallUs(),
  });
  for (const table of options.tables) pg.createTable(definitionOf(table));
  pg.listen({
    committed: (entry) => witness.record(commitEvent(region, entry, kernel.nowUs())),
    confirmed: (_slot, lsn) => witness.confirmed(region, lsn),
    lost: (_entries, lsn, why) => witness.rewound(region, lsn, why),
  });
  return pg;
}

/** Servers differ: the seed says by what. */
function drawModel(random: RandomStream): {
  readonly version: number;
  readonly initialXid: number;
} {
  const version = random.chance(OLDEST_CHANCE) ? VERSION_OLDEST : VERSION_NEWEST;
  const distance = random.between(1, WRAP_DISTANCE_MAX);
  const initialXid = random.chance(WRAP_CHANCE) ? WRAP_XID - distance : FIRST_XID + distance;
  return { version, initialXid };
}

/** What `everywrite init` does to it; takes virtual time. */
export async function prepareDatabase(
  { pg, name: region }: { readonly pg: SimPg; readonly name: RegionId },
  options: WorldOptions,
): Promise<void> {
  await pg.prepareRegion({
    cluster: CLUSTER,
    region,
    slot: SLOT,
    publication: PUBLICATION,
    tables: options.tables.map(replicated),
  });
}

function replicated({ name, columns }: TableModel): ReplicatedTable {
  const typed = columns.filter(({ merge }) => merge !== 'lww');
  const merges = typed.map((column) => [column.name, column.merge]);
  return { name, columns: Object.fromEntries(merges) };
}

function definitionOf({ name, columns, key, unique, foreignKeys }: TableModel): TableDefinition {
  const [schema = 'public', table = name] = name.split('.');
  return {
    schema,
    name: table,
    columns: columns.map((column) => ({
      name: column.name,
      type: column.type,
      notNull: column.notNull,
    })),
    key,
    unique,
    replicaIdentity: 'full',
    foreignKeys: foreignKeys.map(({ columns: from, references, onDelete }, at) => {
      const [refSchema = 'public', refName = references] = references.split('.');
      const target = { schema: refSchema, name: refName };
      return { name: `${table}_fk${at}`, columns: from, references: target, onDelete };
    }),
  };
}
