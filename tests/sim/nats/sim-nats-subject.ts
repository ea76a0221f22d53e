import { must } from '#core/assert.ts';
import { parseRegionId } from '#core/region.ts';
import { SimTimers } from '#sim/clock/sim-timers.ts';
import { Kernel } from '#sim/kernel/kernel.ts';
import type { RunEnd } from '#sim/kernel/kernel.ts';
import type { SimProcess } from '#sim/kernel/sim-process.ts';
import { SIM_NATS_LIMITS } from '#sim/nats/nats-limits.ts';
import { SimNatsServer } from '#sim/nats/nats-server.ts';
import { SimLogStores } from '#sim/nats/sim-log-stores.ts';
import { Network } from '#sim/network/network.ts';
import type { NatsSubject } from '#tests/sim/nats-contract.ts';

export const EU = parseRegionId('eu');
const HOUR_US = 3_600_000_000;

/** A simulated nats-server of one region and what a test may do to it. */
export class SimNatsWorld implements NatsSubject {
  readonly kernel: Kernel;
  readonly server: SimNatsServer;
  readonly network: Network;
  readonly process: SimProcess;
  readonly #timers: SimTimers;

  constructor({ seed = 1, syncIntervalUs = 0, maxBytes = -1 } = {}) {
    this.kernel = new Kernel({ seed });
    const { streams, trace } = this.kernel;
    this.network = new Network({ scheduler: this.kernel, streams, profiles: new Map() });
    this.server = new SimNatsServer({
      name: 'eu.log',
      scheduler: this.kernel,
      spawn: (name) => this.kernel.spawn(name),
      random: streams.stream('nats/eu'),
      trace,
      syncIntervalUs,
      maxBytes,
      maxPayloadBytes: SIM_NATS_LIMITS.maxPayloadBytes,
      witness: { stored: () => undefined, lost: () => undefined },
    });
    this.server.start();
    this.process = this.kernel.spawn('client');
    this.#timers = new SimTimers(this.process);
  }

  client() {
    return this.stores().local();
  }

  stores(client = this.process): SimLogStores {
    const servers = new Map([[EU, this.server]]);
    const random = this.kernel.streams.stream('client');
    return new SimLogStores({ client, region: EU, servers, network: this.network, random });
  }

  async stream() {
    const store = await this.client();
    return must(await store.stream(EU, true), 'the created stream');
  }

  sleep(ms: number): Promise<void> {
    return this.#timers.sleep(ms);
  }

  async restart(): Promise<void> {
    this.server.kill();
    await this.sleep(50);
    this.server.start();
  }

  kill(): Promise<void> {
    this.server.kill();
    return Promise.resolve();
  }

  deleteStream(): Promise<void> {
    this.server.deleteStreams();
    return Promise.resolve();
  }

  /** Runs `body` in virtual time, within a bound of it. */
  async within<Value>(body: () => Promise<Value>): Promise<{ value: Value; end: RunEnd }> {
    const settled = Promise.withResolvers<Value>();
    let over = false;
    this.process.after(0, () => {
      void body()
        .then(settled.resolve, settled.reject)
        .finally(() => {
          over = true;
          this.kernel.stop();
        });
    });
    const end = await this.kernel.run(HOUR_US);
    if (!over) throw new Error(`still running after an hour of virtual time`);
    return { value: await settled.promise, end };
  }
}
