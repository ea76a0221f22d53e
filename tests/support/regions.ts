import pg from 'pg';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Logger } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import { DATABASE, startLocalCluster } from '#deploy/local/cluster.ts';
import type { LocalCluster } from '#deploy/local/cluster.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import { systemLogger } from '#replicator/system-ports.ts';
import { compareRegions } from '#tests/support/region-compare.ts';
import type { Contents } from '#tests/support/region-compare.ts';
import { TestRegion } from '#tests/support/test-region.ts';

export interface RegionsOptions {
  readonly regions?: readonly string[];
  /** Runs in every region before it is prepared. */
  readonly schema: string;
  /** Column types, as in the configuration file. */
  readonly columns?: Readonly<Record<string, string>>;
  readonly replication?: Readonly<Record<string, number | string | boolean>>;
  /** The section `gateway` of the configuration file. */
  readonly gateway?: Readonly<Record<string, unknown>>;
  readonly postgresBinDir?: string;
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Runs in one region after it is prepared, before any replicator: what only this region has. */
  readonly differing?: Readonly<Record<string, string>>;
}

// One row per region; a region that has all of them has everything that was committed before.
const BARRIER = `CREATE TABLE barrier (region text PRIMARY KEY, at int NOT NULL);`;
const WAIT_MAX_MS = 20_000;

/** Two or three whole regions on real servers, in this process, whose races can be held open. */
export class TestRegions {
  readonly cluster: LocalCluster;
  readonly #regions: ReadonlyMap<string, TestRegion>;
  readonly #remove: () => Promise<void>;
  #barrier = 0;

  private constructor(
    cluster: LocalCluster,
    regions: ReadonlyMap<string, TestRegion>,
    remove: () => Promise<void>,
  ) {
    this.cluster = cluster;
    this.#regions = regions;
    this.#remove = remove;
  }

  static async start(options: RegionsOptions): Promise<TestRegions> {
    const directory = await temporaryDirectory('regions');
    const names = options.regions ?? ['eu', 'us'];
    const cluster = await startLocalCluster({
      cluster: 'test',
      regions: names,
      dataDir: directory.path,
      postgresSettings: { fsync: 'off', ...options.postgresSettings },
      ...(options.postgresBinDir === undefined ? {} : { postgresBinDir: options.postgresBinDir }),
      config: {
        columns: options.columns ?? {},
        replication: { heartbeatIntervalMs: 100, ...options.replication },
        ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
      },
    });
    const regions = new Map<string, TestRegion>();
    for (const name of cluster.config.regions.keys()) {
      regions.set(name, await prepared(cluster, name, options));
    }
    await Promise.all([...regions.values()].map((region) => region.start()));
    return new TestRegions(cluster, regions, () => directory.remove());
  }

  get all(): readonly TestRegion[] {
    return [...this.#regions.values()];
  }

  region(name: string): TestRegion {
    const found = this.#regions.get(name);
    if (found === undefined) throw new RangeError(`no region ${name}`);
    return found;
  }

  /** Every gate open again, every region running: a test leaves nothing held behind. */
  async letGo(): Promise<void> {
    await Promise.all(this.all.map((region) => region.letGo()));
    await Promise.all(this.all.map((region) => region.start()));
  }

  /** Waits until every region has applied all that was committed before, and nothing is dirty. */
  async settle(): Promise<void> {
    const at = ++this.#barrier;
    for (const { name, sql } of this.all) {
      const upsert = `INSERT INTO barrier VALUES ($1, $2)
        ON CONFLICT (region) DO UPDATE SET at = excluded.at`;
      await sql.query(upsert, [name, at]);
    }
    for (const region of this.all) {
      await eventually(`${region.name} applies everything`, async () => {
        const seen = `SELECT count(*)::int AS n FROM barrier WHERE at >= $1`;
        const { rows } = await region.sql.query<{ n: number }>(seen, [at]);
        return rows[0]?.n === this.all.length && region.status()?.dirtyKeys === 0;
      });
    }
  }

  /** Settles, then holds all regions to the same rows and the same conflict records. */
  async converge(): Promise<Contents> {
    await this.settle();
    let last: Contents[] = [];
    const equal = async (): Promise<boolean> => {
      last = await Promise.all(this.all.map(({ sql }) => compareRegions.read(sql)));
      return last.every((contents) => compareRegions.same(contents, last[0]));
    };
    await eventually('all regions are equal', equal, 3000).catch(() => undefined);
    const [first, ...others] = last;
    if (first === undefined) throw new RangeError('no region');
    for (const other of others) expect(compareRegions.differences(first, other)).toEqual([]);
    return first;
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.all.map((region) => region.letGo()));
    await Promise.allSettled(this.all.map((region) => region.close()));
    await this.cluster.stop();
    await this.#remove();
  }
}

/** Regions for a test file; call it at the top, not inside a test. */
export function withRegions(options: RegionsOptions): () => TestRegions {
  let regions: TestRegions | undefined;
  beforeAll(async () => {
    regions = await TestRegions.start(options);
  });
  afterAll(async () => regions?.stop());
  return () => {
    if (regions === undefined) throw new Error('the regions have not started');
    return regions;
  };
}

/** Polls until `holds`; rejects with what was waited for. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = WAIT_MAX_MS,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function prepared(
  cluster: LocalCluster,
  name: RegionId,
  options: RegionsOptions,
): Promise<TestRegion> {
  const { postgres } = cluster.regions.get(name) ?? {};
  const config = cluster.config.regions.get(name);
  if (postgres === undefined || config === undefined) throw new RangeError(`no region ${name}`);
  const admin = new pg.Client(postgres.url());
  await admin.connect();
  await admin.query(`CREATE DATABASE ${DATABASE}`);
  await admin.end();
  const sql = new pg.Client(config.database);
  sql.on('error', () => undefined);
  await sql.connect();
  await sql.query(`${BARRIER} ${options.schema}`);
  await prepareRegion(cluster.config, config);
  await sql.query(options.differing?.[name] ?? '');
  return new TestRegion(cluster.config, config, sql, testLogger(name));
}

function testLogger(region: string): Logger {
  const level = process.env['EVERYWRITE_TEST_LOG'];
  if (level === undefined) return { log: () => undefined };
  return systemLogger({ region }, level);
}
