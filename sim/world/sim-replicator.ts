import type { Logger } from '#core/ports.ts';
import { formatVector } from '#core/version-vector.ts';
import type { ReplicaId } from '#core/region.ts';
import type { Database } from '#replicator/engine/database-port.ts';
import type { LogStores } from '#replicator/engine/log-port.ts';
import { Region } from '#replicator/engine/region/region.ts';
import type { RegionOptions } from '#replicator/engine/region/ports.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import { untilThere } from '#replicator/engine/region/until-there.ts';
import type { ReplicationSource } from '#replicator/engine/replication-port.ts';
import type { SimClock } from '#sim/clock/sim-clock.ts';
import { SimTimers } from '#sim/clock/sim-timers.ts';
import type { RandomStream } from '#sim/kernel/ports.ts';
import type { SimProcess } from '#sim/kernel/sim-process.ts';
import { TappedDatabase, TappedReplication } from '#sim/world/tapped-ports.ts';

export interface ReplicatorOptions {
  readonly process: SimProcess;
  readonly clock: SimClock;
  readonly random: RandomStream;
  readonly logger: Logger;
  readonly database: Database;
  readonly replication: ReplicationSource;
  readonly logs: LogStores;
  readonly region: RegionOptions;
}

/** One incarnation of a region's replicator: the production engine, started as replicator/replicator.ts does. */
export class SimReplicator {
  readonly process: SimProcess;
  readonly #options: ReplicatorOptions;
  #region: Region | null = null;

  constructor(options: ReplicatorOptions) {
    this.process = options.process;
    this.#options = options;
    options.process.after(0, () => void this.#run());
  }

  /** Null before it has reached its servers, and when it is dead. */
  status(): RegionStatus | null {
    return this.process.alive ? (this.#region?.status() ?? null) : null;
  }

  async #run(): Promise<void> {
    const { process, clock, random, logger, logs, region } = this.#options;
    const { signal } = new AbortController();
    const timers = new SimTimers(process);
    const database = new TappedDatabase(this.#options.database, process);
    const replication = new TappedReplication(this.#options.replication, process);
    const ports = { clock, timers, random, logger, database, replication, logs };
    const look = async (): Promise<true> => {
      const session = await database.open('control');
      await session.close();
      return true;
    };
    const ignore = (): void => undefined;
    await untilThere('database', look, ports, signal, ignore);
    await untilThere('log', () => logs.local(), ports, signal, ignore);
    this.#region = new Region(ports, region);
    await this.#region.run(signal);
  }
}

/** A vector of the status page as canonical text. */
export function vectorText(vector: Readonly<Record<string, number>>): string {
  return formatVector(new Map(Object.entries(vector) as [ReplicaId, number][]));
}
