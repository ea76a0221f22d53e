import { armMutant } from '#core/mutant.ts';
import type { MutantName } from '#core/mutant.ts';
import { must } from '#core/assert.ts';
import type { RegionId } from '#core/region.ts';
import { SimClock } from '#sim/clock/sim-clock.ts';
import { Kernel } from '#sim/kernel/kernel.ts';
import type { RunEnd } from '#sim/kernel/kernel.ts';
import type { RandomStreams } from '#sim/kernel/ports.ts';
import { SIM_NATS_LIMITS } from '#sim/nats/nats-limits.ts';
import { SimNatsServer } from '#sim/nats/nats-server.ts';
import { Network } from '#sim/network/network.ts';
import type {
  ClientTransaction,
  GaugeReading,
  LinkLatency,
  RegionDump,
  TransactResult,
  World,
  WorldFault,
  WorldOptions,
} from '#sim/run/world.ts';
import { createDatabase, prepareDatabase } from '#sim/world/prepare-database.ts';
import { regionOptions } from '#sim/world/region-defaults.ts';
import { SimRegion } from '#sim/world/sim-region.ts';
import { vectorText } from '#sim/world/sim-replicator.ts';
import { transact } from '#sim/world/transact.ts';
import { dumpRegion } from '#sim/world/region-dump.ts';
import { Witness } from '#sim/world/witness.ts';
import { injectFault } from '#sim/world/world-faults.ts';

const START_BOUND_US = 60_000_000;
const START_STEP_US = 10_000;

/** Regions with production engines on simulated servers, in virtual time. */
export class SimWorld implements World {
  readonly kernel: Kernel;
  readonly network: Network;
  readonly regions = new Map<RegionId, SimRegion>();
  readonly #options: WorldOptions;
  readonly #witness: Witness;

  constructor(options: WorldOptions, keepTrace = false) {
    this.#options = options;
    this.kernel = new Kernel({ seed: options.seed, keepTrace });
    const { streams } = this.kernel;
    const profiles = new Map(options.latency.map((link) => [nameOf(link), profileOf(link)]));
    this.network = new Network({ scheduler: this.kernel, streams, profiles });
    this.#witness = new Witness(this.kernel, options.record);
    const logs = new Map(options.regions.map((name) => [name, this.#log(name)]));
    for (const name of options.regions) this.regions.set(name, this.#region(name, logs));
  }

  get random(): RandomStreams {
    return this.kernel.streams;
  }

  get eventCount(): number {
    return this.kernel.events;
  }

  /** What makes the run itself invalid: an escape, a livelock, a crash of the engine. */
  get findings(): readonly string[] {
    return this.end().findings.map(({ kind, message }) => `${kind}: ${message}`);
  }

  end(): RunEnd {
    return this.kernel.end();
  }

  nowUs(): number {
    return this.kernel.nowUs();
  }

  after(delayUs: number, run: () => void): () => void {
    return this.kernel.after(delayUs, run);
  }

  async start(): Promise<void> {
    for (const region of this.regions.values()) {
      region.log.start();
      this.kernel.after(0, () => void this.#begin(region));
    }
    while (this.nowUs() < START_BOUND_US && !this.#isRunning()) {
      await this.runUntil(this.nowUs() + START_STEP_US);
      if (this.findings.length > 0) return;
    }
  }

  async runUntil(untilUs: number): Promise<void> {
    armMutant(this.#options.mutant as MutantName | null);
    try {
      await this.kernel.run(untilUs);
    } finally {
      armMutant(null);
    }
  }

  transact(region: RegionId, transaction: ClientTransaction): Promise<TransactResult> {
    return transact(this.kernel, this.#of(region).pg, transaction);
  }

  inject(fault: WorldFault): () => void {
    const { kernel, network, regions } = this;
    return injectFault({ kernel, network, regions, witness: this.#witness }, fault);
  }

  dump(region: RegionId): RegionDump {
    return dumpRegion(this.#of(region), this.#options.tables);
  }

  gauges(region: RegionId): GaugeReading | null {
    const status = this.#of(region).status();
    if (status === null || status.phase !== 'running') return null;
    const { indexKeys, dirtyKeys, spilledKeys, quarantined, unpublishedBytes } = status;
    let queuedTransactions = 0;
    for (const { inboxItems } of Object.values(status.origins)) queuedTransactions += inboxItems;
    const sizes = { indexKeys, dirtyKeys, spilledKeys, quarantined, unpublishedBytes };
    return { stable: vectorText(status.stable), values: { ...sizes, queuedTransactions } };
  }

  traceHash(): string {
    return this.kernel.trace.digest();
  }

  pending(lost: readonly RegionId[] = []): string | null {
    const goal = new Map<string, number>();
    const kept = [...this.regions.values()].filter(({ name }) => !lost.includes(name));
    const running = kept.map((region) => ({ region, status: region.status() }));
    for (const { region, status } of running) {
      if (status === null || status.phase !== 'running') {
        const error = status?.error === null ? '' : `: ${status?.error.code ?? 'not started'}`;
        return `${region.name} is ${status?.phase ?? 'down'}${error}`;
      }
      goal.set(status.replica, status.captured);
    }
    for (const { region, status } of running) {
      if (status === null) continue;
      for (const [replica, sequence] of goal) {
        const has = status.applied[replica] ?? 0;
        // The own component moves with the next apply transaction, which may never come.
        if (replica !== status.replica && has < sequence)
          return `${region.name} has ${replica} up to ${has} of ${sequence}`;
      }
      if (status.dirtyKeys > 0)
        return `${region.name} has ${status.dirtyKeys} rows to project again`;
      if (status.unpublishedBytes > 0) return `${region.name} has transactions to publish`;
    }
    return null;
  }

  stop(): Promise<void> {
    for (const region of this.regions.values()) region.killReplicators(null);
    return Promise.resolve();
  }

  async #begin(region: SimRegion): Promise<void> {
    await prepareDatabase(region, this.#options);
    region.startReplicator();
  }

  #isRunning(): boolean {
    return [...this.regions.values()].every((region) => region.status()?.phase === 'running');
  }

  #of(name: RegionId): SimRegion {
    return must(this.regions.get(name), `region ${name}`);
  }

  #log(name: RegionId): SimNatsServer {
    const { kernel } = this;
    return new SimNatsServer({
      name: `${name}.log`,
      scheduler: kernel,
      spawn: (process) => kernel.spawn(process),
      random: kernel.streams.stream(`nats/${name}`),
      trace: kernel.trace,
      syncIntervalUs: this.#options.logSyncIntervalMs * 1000,
      maxBytes: -1,
      maxPayloadBytes: SIM_NATS_LIMITS.maxPayloadBytes,
      witness: {
        stored: (_origin, entry) => this.#witness.stored(name, entry),
        lost: (_origin, entries, kept) => this.#witness.lost(name, entries, kept),
      },
    });
  }

  #region(name: RegionId, logs: ReadonlyMap<RegionId, SimNatsServer>): SimRegion {
    const { kernel, network } = this;
    const { regions, replication, logSyncIntervalMs, epochUs } = this.#options;
    const clock = new SimClock(kernel, epochUs);
    const pg = createDatabase(kernel, name, clock, this.#options, this.#witness);
    const engine = regionOptions(name, regions, replication, logSyncIntervalMs);
    const log = must(logs.get(name), `the log of ${name}`);
    const servers = { pg, log, logs, engine, witness: this.#witness };
    return new SimRegion({ name, kernel, network, clock, ...servers });
  }
}

function nameOf({ from, to }: LinkLatency): string {
  return `${from}>${to}`;
}

function profileOf({ ms, jitterMs }: LinkLatency) {
  return {
    latencyUs: Math.round(ms * 1000),
    jitterUs: Math.round(jitterMs * 1000),
    bytesPerSecond: null,
  };
}

export function createWorld(options: WorldOptions): SimWorld {
  return new SimWorld(options);
}
