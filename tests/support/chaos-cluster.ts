import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { must } from '#core/assert.ts';
import { DATABASE, startLocalCluster } from '#deploy/local/cluster.ts';
import type { LocalCluster, LocalClusterOptions, LocalRegion } from '#deploy/local/cluster.ts';
import { prepareCluster } from '#deploy/local/prepare-cluster.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { ChaosReplicator } from './chaos-replicator.ts';

export const REGIONS = ['eu', 'us', 'ap'] as const;
const CONNECT_PATIENCE_MS = 30_000;

export interface ChaosOptions {
  readonly cluster: string;
  readonly regions?: readonly string[];
  /** Loaded into every region before it is prepared; without it the test prepares the databases. */
  readonly schema?: string;
  readonly config?: LocalClusterOptions['config'];
  readonly postgresSettings?: Readonly<Record<string, string>>;
  readonly postgresBinDir?: string;
  /** False: a test that starts, or breaks, something itself first. */
  readonly startReplicators?: boolean;
}

export interface ChaosRegion extends LocalRegion {
  readonly replicator: ChaosReplicator;
}

/** Real servers, real links and replicators that are processes of their own. */
export class ChaosCluster {
  readonly local: LocalCluster;
  readonly regions: ReadonlyMap<string, ChaosRegion>;

  constructor(local: LocalCluster) {
    this.local = local;
    // In the order of the configuration, whichever was started first.
    this.regions = new Map(
      [...local.config.regions.keys()].map((name) => {
        const region = must(local.regions.get(name), `region ${name}`);
        return [name, { ...region, replicator: new ChaosReplicator(local.configPath, name) }];
      }),
    );
  }

  get names(): readonly string[] {
    return [...this.regions.keys()];
  }

  region(name: string): ChaosRegion {
    return must(this.regions.get(name), `region ${name}`);
  }

  /** A connection to a region's database; waits for a server that is just recovering. */
  async connect(name: string, within = CONNECT_PATIENCE_MS): Promise<Client> {
    const deadline = performance.now() + within;
    for (;;) {
      const client = new Client(this.region(name).postgres.url(DATABASE));
      client.on('error', () => {});
      try {
        await client.connect();
        return client;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  /** One statement or several on a connection of its own. */
  async query(name: string, sql: string): Promise<readonly Record<string, string | null>[]> {
    const client = await this.connect(name);
    try {
      const result = await client.query<Record<string, string | null>>(sql);
      return result.rows;
    } finally {
      await client.end();
    }
  }

  async startReplicators(): Promise<void> {
    for (const { replicator } of this.regions.values()) await replicator.start();
    for (const { replicator } of this.regions.values()) await replicator.untilRunning();
  }

  /** Every link of `name`, in both directions. */
  cutOff(name: string): void {
    for (const { from, to, proxy } of this.local.links()) {
      if (from === name || to === name) proxy.cut('drop');
    }
  }

  healAll(): void {
    for (const { proxy } of this.local.links()) proxy.heal();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.regions.values()].map(({ replicator }) => replicator.kill()));
    await this.local.stop();
  }
}

/** A cluster for a test file or a `describe`: started before its tests, gone after them. */
export function withCluster(options: ChaosOptions): { readonly cluster: ChaosCluster } {
  let started: ChaosCluster | undefined;
  let end = async (): Promise<void> => {};
  beforeAll(async () => {
    const directory = await temporaryDirectory(options.cluster);
    end = async () => {
      await started?.stop();
      // A failed run leaves what explains it, if asked to.
      if (process.env['EVERYWRITE_KEEP'] === '1') {
        directory.keep();
        process.stderr.write(`kept ${directory.path}\n`);
      } else await directory.remove();
    };
    started = await startChaosCluster(options, directory.path);
  });
  afterAll(() => end());
  return {
    get cluster() {
      return must(started, 'the cluster, in a test');
    },
  };
}

async function startChaosCluster(options: ChaosOptions, dataDir: string): Promise<ChaosCluster> {
  const { cluster, postgresBinDir, config } = options;
  const local = await startLocalCluster({
    cluster,
    dataDir,
    regions: options.regions ?? REGIONS,
    // kill -9 leaves the page cache, so that what was committed is there without fsync.
    postgresSettings: { fsync: 'off', max_connections: '100', ...options.postgresSettings },
    ...(postgresBinDir === undefined ? {} : { postgresBinDir }),
    ...(config === undefined ? {} : { config }),
  });
  const chaos = new ChaosCluster(local);
  if (options.schema !== undefined) {
    await prepareCluster(local, { schema: { source: 'the schema', text: options.schema } });
  }
  if (options.startReplicators !== false) await chaos.startReplicators();
  return chaos;
}
