import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { RegionOptions } from '#replicator/engine/region/ports.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import type { SimClock } from '#sim/clock/sim-clock.ts';
import type { Kernel } from '#sim/kernel/kernel.ts';
import type { SimProcess } from '#sim/kernel/sim-process.ts';
import type { SimNatsServer } from '#sim/nats/nats-server.ts';
import { SimLogStores } from '#sim/nats/sim-log-stores.ts';
import type { Network } from '#sim/network/network.ts';
import { Wire } from '#sim/network/wire.ts';
import type { SimPg } from '#sim/pg/sim-pg.ts';
import { SimReplicator } from '#sim/world/sim-replicator.ts';
import { CLUSTER } from '#sim/world/region-defaults.ts';
import type { Witness } from '#sim/world/witness.ts';

export interface SimRegionOptions {
  readonly name: RegionId;
  readonly kernel: Kernel;
  readonly network: Network;
  readonly clock: SimClock;
  readonly pg: SimPg;
  readonly log: SimNatsServer;
  readonly logs: ReadonlyMap<RegionId, SimNatsServer>;
  readonly engine: RegionOptions;
  readonly witness: Witness;
}

const FLIGHT_BYTES = 400;

/** One region's servers, its clock, and whoever keeps its replicator running. */
export class SimRegion {
  readonly name: RegionId;
  readonly clock: SimClock;
  readonly pg: SimPg;
  readonly log: SimNatsServer;
  readonly #options: SimRegionOptions;
  #replicators: SimReplicator[] = [];
  /** Faults that keep the replicator down; it is started again when the last one ends. */
  #down = 0;

  constructor(options: SimRegionOptions) {
    this.#options = options;
    this.name = options.name;
    this.clock = options.clock;
    this.pg = options.pg;
    this.log = options.log;
  }

  /** The newest one's; null while there is none that runs. */
  status(): RegionStatus | null {
    return this.#replicators.at(-1)?.status() ?? null;
  }

  get replicators(): readonly SimReplicator[] {
    return this.#replicators;
  }

  /** Starts one more replicator, whoever else runs: two of them are an operator's mistake. */
  startReplicator(): SimReplicator {
    const { kernel, name, network, clock, pg, logs, engine, witness } = this.#options;
    const process = kernel.spawn(`${name}.repl`);
    const random = kernel.streams.stream(`repl/${name}`);
    const wire = () => {
      const request = new Wire(network.path(name, `${name}.pg`), kernel);
      const reply = new Wire(network.path(`${name}.pg`, name), process);
      return {
        toServer: (run: () => void) => request.send(FLIGHT_BYTES, run),
        toClient: (run: () => void) => reply.send(FLIGHT_BYTES, run),
      };
    };
    const connection = pg.connectFrom({ scheduler: process, wire }, CLUSTER);
    process.onDeath(() => connection.destroy());
    const replicator = new SimReplicator({
      process,
      clock,
      random,
      logger: this.#logger(process),
      database: connection.database,
      replication: connection.replication,
      logs: new SimLogStores({ client: process, region: name, servers: logs, network, random }),
      region: engine,
    });
    process.onDeath(() => this.#died(replicator));
    this.#replicators.push(replicator);
    witness.process(`${name}.repl`, 'up', 'started');
    return replicator;
  }

  /** kill -9 of all; the supervisor starts one again after `restartUs`, or with null when the fault ends. */
  killReplicators(restartUs: number | null): () => void {
    this.#down++;
    for (const { process } of this.#replicators) process.kill();
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      this.#down--;
      if (this.#down === 0 && this.#replicators.length === 0) this.startReplicator();
    };
    if (restartUs !== null) this.#options.kernel.after(restartUs, end);
    return end;
  }

  /** One that crashed by itself comes back, as its supervisor would have it. */
  #died(replicator: SimReplicator): void {
    const { kernel, witness } = this.#options;
    this.#replicators = this.#replicators.filter((other) => other !== replicator);
    witness.process(replicator.process.name, 'down', 'killed');
    const again = (): void => {
      if (this.#down === 0 && this.#replicators.length === 0) this.startReplicator();
    };
    kernel.after(RESTART_US, again);
  }

  #logger(process: SimProcess): Logger {
    const { name, witness } = this.#options;
    return {
      log: (level, event, fields) => {
        if (level !== 'debug' && process.alive) witness.said(`${name}.repl`, event, fields ?? {});
      },
    };
  }
}

const RESTART_US = 1_000_000;
