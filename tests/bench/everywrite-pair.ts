import { join } from 'node:path';
import { must } from '#core/assert.ts';
import { startLocalCluster } from '#deploy/local/cluster.ts';
import type { LocalCluster } from '#deploy/local/cluster.ts';
import { prepareRegion } from '#replicator/pg/prepare.ts';
import type { NamedProcess } from './cpu.ts';
import { Node, POSTGRES_SETTINGS } from './node.ts';
import type { Pair } from './pair.ts';
import { ReplicatorProcess } from './replicator-process.ts';
import type { WorkloadSizes } from './workload.ts';

const ORIGIN = 'a';
const TARGET = 'b';
const BACKLOG_TIMEOUT_MS = 300_000;

/** Two regions of Everywrite, each replicator a process of its own. */
export class EverywritePair implements Pair {
  readonly name = 'ours';
  readonly origin: Node;
  readonly target: Node;
  readonly #cluster: LocalCluster;
  readonly #atOrigin: ReplicatorProcess;
  readonly #atTarget: ReplicatorProcess;
  #capturedBefore = 0;

  private constructor(
    cluster: LocalCluster,
    origin: Node,
    target: Node,
    atOrigin: ReplicatorProcess,
    atTarget: ReplicatorProcess,
  ) {
    this.#cluster = cluster;
    this.origin = origin;
    this.target = target;
    this.#atOrigin = atOrigin;
    this.#atTarget = atTarget;
  }

  static async start(
    dataDir: string,
    sizes: WorkloadSizes,
    profileDir: string | undefined,
  ): Promise<EverywritePair> {
    const cluster = await startLocalCluster({
      cluster: 'bench',
      regions: [ORIGIN, TARGET],
      dataDir: join(dataDir, 'ours'),
      postgresSettings: POSTGRES_SETTINGS,
      config: { tables: { include: ['public.*'] } },
    });
    const sides = await Promise.all(
      [ORIGIN, TARGET].map(async (region) => {
        const { postgres, adminPort } = must(cluster.regions.get(region), 'region');
        const node = await Node.create(postgres, sizes);
        const config = [...cluster.config.regions.values()].find((of) => of.region === region);
        await prepareRegion(cluster.config, must(config, 'configuration of the region'));
        const { configPath } = cluster;
        const logPath = join(dataDir, 'ours', `replicator-${region}.log`);
        const options = { configPath, region, adminPort, logPath, profileDir };
        return { node, replicator: new ReplicatorProcess(options) };
      }),
    );
    const [a, b] = sides;
    if (a === undefined || b === undefined) throw new RangeError('two regions expected');
    for (const { replicator } of sides) replicator.start();
    for (const { replicator } of sides) await replicator.untilRunning();
    return new EverywritePair(cluster, a.node, b.node, a.replicator, b.replicator);
  }

  /** The replicators at the origin and at the target. */
  get replicators(): readonly [ReplicatorProcess, ReplicatorProcess] {
    return [this.#atOrigin, this.#atTarget];
  }

  /** Rejects when a replicator ends by itself. */
  get broken(): Promise<never> {
    return Promise.race(this.replicators.map((replicator) => replicator.broken));
  }

  async cut(): Promise<void> {
    for (const { proxy } of this.#cluster.links()) proxy.cut('reset');
    this.#capturedBefore = (await this.#atOrigin.status()).captured;
  }

  /** Capture goes on during the outage: the backlog waits in the origin's log, not in its WAL. */
  async untilBacklogged(transactions: number): Promise<void> {
    if (this.#atOrigin.pid === 0) return;
    const goal = this.#capturedBefore + transactions;
    await this.#atOrigin.until('to log the backlog', BACKLOG_TIMEOUT_MS, (status) => {
      return status.captured >= goal && status.unpublishedBytes === 0;
    });
  }

  async heal(): Promise<void> {
    for (const { proxy } of this.#cluster.links()) proxy.heal();
    if (this.#atOrigin.pid === 0) this.#atOrigin.start();
  }

  async cutAtOrigin(): Promise<void> {
    await this.#atOrigin.stop();
  }

  async processes(): Promise<readonly NamedProcess[]> {
    const lists = [await this.origin.processes('origin'), await this.target.processes('target')];
    const nats = (region: string): number => this.#cluster.regions.get(region)?.nats.pid ?? 0;
    return [
      ...lists.flat(),
      { name: 'origin replicator', pid: this.#atOrigin.pid },
      { name: 'target replicator', pid: this.#atTarget.pid },
      { name: 'origin nats', pid: nats(ORIGIN) },
      { name: 'target nats', pid: nats(TARGET) },
      { name: 'bench and link', pid: process.pid },
    ];
  }

  toggleProfile(): boolean {
    return this.replicators.map((replicator) => replicator.toggleProfile()).includes(true);
  }

  async countLink(): Promise<void> {
    // The link proxies count all the time.
  }

  linkBytes(): number {
    const stats = this.#cluster.links().map(({ proxy }) => proxy.stats());
    return stats.reduce((sum, { bytesForward: f, bytesBackward: b }) => sum + f + b, 0);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.replicators.map((replicator) => replicator.stop()));
    await Promise.allSettled([this.origin.close(), this.target.close()]);
    await Promise.allSettled(
      [...this.#cluster.regions.values()].flatMap(({ postgres, nats }) => [
        postgres.kill(),
        nats.kill(),
      ]),
    );
    await this.#cluster.stop();
  }
}
