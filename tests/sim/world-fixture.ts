import { expect } from 'vitest';
import { parseRegionId } from '#core/region.ts';
import type { RegionId } from '#core/region.ts';
import type { HistoryEvent } from '#sim/history/event.ts';
import type { ClientStep, LinkLatency, TableModel, WorldOptions } from '#sim/run/world.ts';
import { SimWorld } from '#sim/world/sim-world.ts';

export const EU = parseRegionId('eu');
export const US = parseRegionId('us');
export const AP = parseRegionId('ap');
export const THREE: readonly RegionId[] = [EU, US, AP];
export const SECOND = 1_000_000;

const EPOCH_US = 1_767_225_600_000_000;

/** A row with a name and a counter. */
export const ITEMS: TableModel = {
  name: 'public.items',
  columns: [
    { name: 'id', type: 'int8', notNull: true, merge: 'lww' },
    { name: 'name', type: 'text', notNull: false, merge: 'lww' },
    { name: 'note', type: 'text', notNull: false, merge: 'lww' },
    { name: 'stock', type: 'int8', notNull: false, merge: 'counter' },
  ],
  key: ['id'],
  unique: [],
  foreignKeys: [],
};

export interface WorldChoice extends Partial<WorldOptions> {
  readonly keepTrace?: boolean;
  readonly events?: HistoryEvent[];
}

/** Three regions at 40 to 90 ms. */
export function threeRegions({ keepTrace, events, ...options }: WorldChoice = {}): SimWorld {
  const regions = options.regions ?? THREE;
  return new SimWorld(
    {
      seed: 1,
      epochUs: EPOCH_US,
      regions,
      latency: latencies(regions),
      tables: [ITEMS],
      replication: {},
      logSyncIntervalMs: 0,
      mutant: null,
      record: (event) => events?.push(event),
      ...options,
    },
    keepTrace,
  );
}

function latencies(regions: readonly RegionId[]): readonly LinkLatency[] {
  return regions.flatMap((from, at) =>
    regions
      .filter((to) => to !== from)
      .map((to) => ({ from, to, ms: 40 + 10 * Math.abs(at - regions.indexOf(to)), jitterMs: 2 })),
  );
}

/** Applications of every region writing to few rows, each `everyMs` on average, until `untilUs`. */
export function writeEverywhere(
  world: SimWorld,
  everyMs: number,
  untilUs: number,
  keys = 20,
): void {
  for (const region of world.regions.keys()) {
    const random = world.random.stream(`load/${region}`);
    let op = 0;
    const next = (): void => {
      world.after(Math.round(random.exponential(everyMs * 1000)), () => {
        if (world.nowUs() >= untilUs) return;
        const steps = [
          stepOf(random.between(0, 9), String(random.between(1, keys)), `${region}${op}`),
        ];
        op++;
        void world.transact(region, { steps, op, holdMs: 0, timeoutMs: 5000 });
        next();
      });
    };
    next();
  }
}

function stepOf(kind: number, id: string, text: string): ClientStep {
  const table = ITEMS.name;
  if (kind < 3) {
    return { kind: 'insert', table, row: { id, name: text, note: null, stock: '0' } };
  }
  if (kind === 3) return { kind: 'delete', table, key: { id } };
  if (kind < 7) return { kind: 'update', table, key: { id }, set: {}, add: { stock: '1' } };
  const column = kind === 7 ? 'note' : 'name';
  return { kind: 'update', table, key: { id }, set: { [column]: text }, add: {} };
}

/** Lets time pass until all have all, within `bound` seconds. */
export async function settle(world: SimWorld, bound = 30): Promise<string | null> {
  const until = world.nowUs() + bound * SECOND;
  let pending = world.pending();
  while (pending !== null && world.nowUs() < until && world.findings.length === 0) {
    await world.runUntil(world.nowUs() + SECOND / 2);
    pending = world.pending();
  }
  return pending;
}

/** Every region holds the same rows, has nothing in quarantine, and the run itself was sound. */
export function expectSame(world: SimWorld): void {
  expect(world.findings).toEqual([]);
  const [first, ...others] = [...world.regions.keys()].map((region) => world.dump(region));
  expect(first?.tables.get('public.items')?.length).toBeGreaterThan(3);
  for (const other of others) {
    expect(other.tables).toEqual(first?.tables);
    expect(other.quarantined).toBe(0);
  }
}
