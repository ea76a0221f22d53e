import type { RandomStreams } from '#sim/kernel/ports.ts';
import type { ClientStep, TableModel } from '#sim/run/world.ts';
import type { Scenario, WorkloadItem } from '#sim/scenario/scenario.ts';
import type { PlannedOperation } from '#sim/workload/operation.ts';
import { nextAction } from '#sim/workload/shop-actions.ts';

/** The first rows are written at this time, by the first region; the load begins at the second. */
const SEED_ROWS_US = 100_000;
const LOAD_FROM_US = 1_000_000;
const PRODUCTS_MAX = 40;

/**
 * Every operation of the run, drawn before it begins: what a client does never depends on how the run
 * goes, so that a failing run can be written down and cut into pieces.
 */
export function planOperations(
  scenario: Scenario,
  random: RandomStreams,
): readonly PlannedOperation[] {
  const planned: PlannedOperation[] = [...seedRows(scenario)];
  let serial = 0;
  for (const [at, item] of scenario.workload.entries()) {
    for (const region of item.regions) {
      for (let client = 0; client < item.clients; client += 1) {
        const name = `${item.use}${at}-${region}-${client}`;
        const stream = random.stream(`client/${name}`);
        const everyUs = (1_000_000 * item.clients) / item.ratePerSecond;
        let atUs = LOAD_FROM_US + stream.between(0, Math.round(everyUs));
        while (atUs < scenario.loadMs * 1_000) {
          const context = { item, region, tables: scenario.tables, serial, client, random: stream };
          planned.push(operation(nextAction(context), item, atUs, name, region));
          serial += 1;
          atUs += Math.max(1, Math.round(pauseUs(item, everyUs, stream)));
        }
      }
    }
  }
  return planned.toSorted((l, r) => l.atUs - r.atUs);
}

// Probes keep a fixed pace, so that a gap in their success is a gap in service.
function pauseUs(
  item: WorkloadItem,
  everyUs: number,
  stream: { exponential(mean: number): number },
): number {
  return item.use === 'probe' ? everyUs : stream.exponential(everyUs);
}

function operation(
  { what, steps, writes }: ReturnType<typeof nextAction>,
  item: WorkloadItem,
  atUs: number,
  client: string,
  home: PlannedOperation['home'],
): PlannedOperation {
  const roams = item.use === 'probe';
  const action = roams ? (writes ? 'probe-write' : 'probe-read') : writes ? 'write' : 'read';
  return { atUs, client, home, action, what, steps, holdMs: item.holdMs, roams };
}

function seedRows(scenario: Scenario): readonly PlannedOperation[] {
  const [home] = scenario.regions;
  const products = scenario.tables.find(({ name }) => name === 'public.products');
  if (home === undefined || products === undefined || !isShop(products)) return [];
  const most = Math.max(8, ...scenario.workload.map(({ keys }) => keys));
  const steps = Array.from({ length: Math.min(most, PRODUCTS_MAX) }, (_, at): ClientStep => {
    const row = { id: `p${at}`, name: `product ${at}`, price: '100', stock: '1000' };
    return { kind: 'insert', table: products.name, row };
  });
  const what = `insert ${steps.length} products`;
  const common = { action: 'write', holdMs: 0, roams: false } as const;
  return [{ atUs: SEED_ROWS_US, client: 'setup', home, what, steps, ...common }];
}

function isShop({ columns }: TableModel): boolean {
  return ['id', 'name', 'price', 'stock'].every((name) => columns.some((c) => c.name === name));
}
