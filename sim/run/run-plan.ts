import type { RegionId } from '#core/region.ts';
import { Truth } from '#sim/check/truth.ts';
import type { RunFrame } from '#sim/check/truth.ts';
import type { HistoryEvent } from '#sim/history/event.ts';
import { ClientDriver } from '#sim/run/client-driver.ts';
import { FaultDriver } from '#sim/run/fault-driver.ts';
import type { RunPlan } from '#sim/run/plan.ts';
import type { World, WorldOptions } from '#sim/run/world.ts';

/** 2026-01-01: far from every edge of every calendar. */
const EPOCH_US = 1_767_225_600_000_000;
const GAUGE_EVERY_US = 1_000_000;
const SETTLE_STEP_US = 500_000;
/** After everything has arrived, so that memory can be given up and what comes late shows. */
const QUIET_US = 4_000_000;

export type MakeWorld = (options: WorldOptions) => World;

export interface FinishedRun {
  readonly plan: RunPlan;
  readonly truth: Truth;
  readonly traceHash: string;
  readonly eventCount: number;
  /** What the simulator says of itself: an escape, a livelock, a crash outside every process. */
  readonly findings: readonly string[];
  /** What was still missing when the run was given up; null when all had all. */
  readonly pending: string | null;
}

/** Plays a plan in a world from its begin to its quiet end. */
export async function runPlan(plan: RunPlan, makeWorld: MakeWorld): Promise<FinishedRun> {
  const { scenario } = plan;
  const events: HistoryEvent[] = [];
  let seen: (event: HistoryEvent) => void = () => undefined;
  const record = (event: HistoryEvent): void => {
    events.push(event);
    seen(event);
  };
  const world = makeWorld({
    seed: plan.seed,
    epochUs: EPOCH_US,
    regions: scenario.regions,
    latency: scenario.latency,
    tables: scenario.tables,
    replication: scenario.replication,
    logSyncIntervalMs: scenario.logSyncIntervalMs,
    mutant: plan.mutant,
    record,
  });
  try {
    await world.start();
    const faults = new FaultDriver(world, scenario.regions, record, plan.faults);
    seen = (event) => faults.see(event);
    const clients = new ClientDriver(world, scenario.regions, scenario.latency, record);
    clients.schedule(plan.operations);
    sampleGauges(world, scenario.regions, record);
    world.after(scenario.healMs * 1_000 - world.nowUs(), () => faults.heal());
    const pending = await untilQuiet(world, plan, clients, faults);
    const frame = frameOf(plan, world, faults);
    const truth = new Truth(frame, events);
    const { eventCount, findings } = world;
    return { plan, truth, traceHash: world.traceHash(), eventCount, findings, pending };
  } finally {
    await world.stop();
  }
}

function frameOf({ scenario }: RunPlan, world: World, faults: FaultDriver): RunFrame {
  return {
    regions: scenario.regions,
    tables: scenario.tables,
    epochUs: EPOCH_US,
    healUs: scenario.healMs * 1_000,
    endUs: world.nowUs(),
    convergeWithinUs: scenario.expect.convergeWithinMs * 1_000,
    clockErrorUs: faults.clockErrorUs,
    lostRegions: [...faults.lostRegions],
    repeated: { kind: 'no' },
  };
}

function sampleGauges(
  world: World,
  regions: readonly RegionId[],
  record: (event: HistoryEvent) => void,
): void {
  const sample = (): void => {
    for (const region of regions) {
      const reading = world.gauges(region);
      if (reading !== null) record({ kind: 'gauge', atUs: world.nowUs(), region, ...reading });
    }
    world.after(GAUGE_EVERY_US, sample);
  };
  world.after(GAUGE_EVERY_US, sample);
}

async function untilQuiet(
  world: World,
  { scenario }: RunPlan,
  clients: ClientDriver,
  faults: FaultDriver,
): Promise<string | null> {
  await world.runUntil(scenario.loadMs * 1_000);
  const deadlineUs =
    Math.max(scenario.loadMs, scenario.healMs + scenario.expect.convergeWithinMs) * 1_000;
  let pending = stillMissing(world, clients, faults);
  while (pending !== null && world.nowUs() < deadlineUs + QUIET_US) {
    await world.runUntil(world.nowUs() + SETTLE_STEP_US);
    pending = stillMissing(world, clients, faults);
  }
  await world.runUntil(world.nowUs() + QUIET_US);
  return stillMissing(world, clients, faults);
}

function stillMissing(world: World, clients: ClientDriver, faults: FaultDriver): string | null {
  if (clients.outstanding > 0) return `${clients.outstanding} operations of clients are open`;
  return world.pending([...faults.lostRegions]);
}
