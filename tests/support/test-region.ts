import pg from 'pg';
import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { Region } from '#replicator/engine/region/region.ts';
import type { RegionOptions } from '#replicator/engine/region/ports.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';
import { PgDatabase } from '#replicator/pg/database.ts';
import { PgReplicationSource } from '#replicator/pg/replication-stream.ts';
import { slotName } from '#replicator/pg/slot.ts';
import { systemClock, systemRandom, systemTimers } from '#replicator/system-ports.ts';
import type { SlotWitness } from '#tests/support/region-gates.ts';
import {
  ApplyProbe,
  Gate,
  GatedLogs,
  GatedReplication,
  ProbedDatabase,
} from '#tests/support/region-gates.ts';

interface Running {
  readonly region: Region;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** One region: its database, its replicator, and the places where a test can hold it. */
export class TestRegion {
  readonly name: RegionId;
  readonly url: string;
  /** An ordinary connection, for statements and questions. */
  readonly sql: pg.Client;
  /** Held: what commits here is not captured. */
  readonly capture = new Gate();
  /** Apply's own session. */
  readonly apply = new ApplyProbe();
  /** Told of every frame that capture gets, just before; and when the slot starts to send anew. */
  witness: SlotWitness = { started: () => undefined, frames: () => undefined };
  readonly #config: ClusterConfig;
  readonly #own: RegionConfig;
  readonly #logger: Logger;
  readonly #deliveries = new Map<RegionId, Gate>();
  readonly #clients: pg.Client[] = [];
  #running: Running | null = null;

  constructor(config: ClusterConfig, own: RegionConfig, sql: pg.Client, logger: Logger) {
    this.name = own.region;
    this.url = own.database;
    this.sql = sql;
    this.#config = config;
    this.#own = own;
    this.#logger = logger;
    for (const origin of config.regions.keys()) {
      if (origin !== own.region) this.#deliveries.set(origin, new Gate());
    }
  }

  /** Held: nothing that `origin` logs reaches this region, over any path. */
  from(origin: string): Gate {
    for (const [region, gate] of this.#deliveries) if (region === origin) return gate;
    throw new RangeError(`${this.name} has no peer ${origin}`);
  }

  /** One more connection, closed at the end. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client(this.url);
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  status(): RegionStatus | undefined {
    return this.#running?.region.status();
  }

  retryQuarantined(relation: string | null, key: string | null): number | null {
    return this.#running?.region.retryQuarantined(relation, key) ?? null;
  }

  async start(): Promise<void> {
    if (this.#running !== null) return;
    const database = await PgDatabase.connect({
      url: this.url,
      cluster: this.#config.cluster,
      connectTimeoutMs: this.#config.replication.connectTimeoutMs,
    });
    const source = new PgReplicationSource({
      url: this.url,
      applicationName: `everywrite capture ${this.name}`,
      connectTimeoutMs: this.#config.replication.connectTimeoutMs,
    });
    const logs = this.#logStores();
    const region = new Region(
      {
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
        logger: this.#logger,
        database: new ProbedDatabase(database, this.apply),
        replication: new GatedReplication(source, this.capture, () => this.witness),
        logs: new GatedLogs(logs, this.#deliveries),
      },
      regionOptions(this.#config, this.name),
    );
    const stop = new AbortController();
    const done = region.run(stop.signal).finally(async () => {
      await Promise.allSettled([database.close(), logs.close()]);
    });
    this.#running = { region, stop, done };
  }

  /** The replicator ends; the database and the log go on. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.stop.abort();
    await running?.done;
  }

  /** Nothing is held any more, and what the test's own connections had open is rolled back. */
  async letGo(): Promise<void> {
    this.capture.release();
    for (const gate of this.#deliveries.values()) gate.release();
    this.apply.letGo();
    await Promise.allSettled(this.#clients.splice(0).map((client) => client.end()));
  }

  async close(): Promise<void> {
    await this.stop();
    await this.sql.end().catch(() => undefined);
  }

  #logStores(): NatsLogStores {
    const peerUrls: Record<string, string> = {};
    for (const [peer, { nats }] of this.#config.regions) {
      if (peer !== this.name) peerUrls[peer] = this.#own.peers.get(peer) ?? nats;
    }
    return new NatsLogStores({
      cluster: this.#config.cluster,
      region: this.name,
      localUrl: this.#own.nats,
      peerUrls,
      limits: { replicas: 1, streamBytesMax: this.#config.log.maxBytes },
      logger: this.#logger,
    });
  }
}

function regionOptions({ cluster, regions, replication }: ClusterConfig, region: RegionId) {
  return {
    region,
    members: [...regions.keys()],
    slot: slotName(cluster),
    publication: 'everywrite',
    // The servers of a test are killed, the machine is not: what JetStream acknowledged is there.
    logTrailMs: 0,
    ...replication,
  } satisfies RegionOptions;
}
