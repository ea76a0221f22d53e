import type { PgText } from '#core/relation.ts';
import { Kernel } from '#sim/kernel/kernel.ts';
import { SimPg } from '#sim/pg/sim-pg.ts';
import type { SimPgOptions } from '#sim/pg/sim-pg.ts';
import type { TableDefinition } from '#sim/pg/table-definition.ts';

const EPOCH_US = 1_700_000_000_000_000;
const HORIZON_US = 120_000_000;

export const ITEM: TableDefinition = {
  schema: 'public',
  name: 'item',
  columns: [
    { name: 'id', type: 'int' },
    { name: 'v', type: 'text' },
    { name: 'n', type: 'int' },
  ],
  key: ['id'],
  unique: [['v']],
  replicaIdentity: 'full',
};

export interface SimServer {
  readonly kernel: Kernel;
  readonly pg: SimPg;
}

/** One simulated server with the table `item`, prepared as region `eu`, and nothing running. */
export function simServer(more: Partial<SimPgOptions> = {}, seed = 1): SimServer {
  const kernel = new Kernel({ seed, keepTrace: true });
  const pg = new SimPg({
    name: 'eu.pg',
    version: 180_004,
    scheduler: kernel,
    streams: kernel.streams,
    trace: kernel.trace,
    wallUs: () => EPOCH_US + kernel.nowUs(),
    ...more,
  });
  pg.createTable(ITEM);
  return { kernel, pg };
}

/** Lets virtual time pass until `script` is over; its error is the test's. */
export async function play<Result>(
  { kernel }: Pick<SimServer, 'kernel'>,
  script: () => Promise<Result>,
): Promise<Result> {
  let outcome: { readonly value: Result } | { readonly error: unknown } | null = null;
  const playing = async (): Promise<void> => {
    try {
      outcome = { value: await script() };
    } catch (error) {
      outcome = { error };
    }
  };
  kernel.after(0, () => void playing());
  const deadline = kernel.nowUs() + HORIZON_US;
  while (outcome === null && kernel.nowUs() < deadline) {
    const { findings } = await kernel.run(kernel.nowUs() + 1_000_000);
    if (findings.length > 0) throw new Error(JSON.stringify(findings));
  }
  const ended = outcome as { readonly value: Result } | { readonly error: unknown } | null;
  if (ended === null) throw new Error('the script waits for ever');
  if ('error' in ended) throw ended.error;
  return ended.value;
}

export function prepare({ pg }: SimServer): Promise<void> {
  return pg.prepareRegion({
    cluster: 'shop',
    region: 'eu',
    tables: [{ name: 'public.item', columns: { n: 'counter' } }],
    slot: 'everywrite_shop',
    publication: 'everywrite',
  });
}

/** `id v n` of every committed row, in key order. */
export function items(pg: SimPg): readonly string[] {
  const text = (value: PgText | undefined): string => value ?? '-';
  return pg
    .rows('public.item')
    .toSorted((left, right) => Number(left['id']) - Number(right['id']))
    .map((row) => `${text(row['id'])} ${text(row['v'])} ${text(row['n'])}`);
}
