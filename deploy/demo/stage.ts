import { join } from 'node:path';
import type { StepList } from '#deploy/demo/step-list.ts';
import { DATABASE, startLocalCluster } from '#deploy/local/cluster.ts';
import type { LocalCluster } from '#deploy/local/cluster.ts';
import { prepareCluster, readScript } from '#deploy/local/prepare-cluster.ts';
import { startReplicatorProcess } from '#deploy/local/replicator-process.ts';
import type { ReplicatorProcess } from '#deploy/local/replicator-process.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import { counted } from '#replicator/pg/counted.ts';

export const REGIONS: readonly string[] = ['eu', 'us', 'ap'];
/** One way, between neighbours on the globe. */
const LATENCY_MS: Readonly<Record<string, number>> = { 'eu us': 40, 'ap us': 70, 'ap eu': 90 };

/** Three regions that run, with the shop in each; ended by `close`, or with this process. */
export interface Stage {
  readonly cluster: LocalCluster;
  readonly urls: ReadonlyMap<string, string>;
  /** Everything is removed. */
  close(): Promise<void>;
}

export function latencyMs(from: string, to: string): number {
  return LATENCY_MS[[from, to].toSorted().join(' ')] ?? 0;
}

export async function openStage(steps: StepList, signal: AbortSignal): Promise<Stage> {
  const directory = await temporaryDirectory('demo');
  const closing: (() => Promise<unknown>)[] = [() => directory.remove()];
  const close = async (): Promise<void> => {
    for (const end of closing.toReversed()) await Promise.allSettled([end()]);
  };
  try {
    const cluster = await steps.do(
      'servers',
      () =>
        startLocalCluster({
          cluster: 'demo',
          regions: REGIONS,
          dataDir: directory.path,
          delayMs: latencyMs,
          // Three servers share this machine's memory and disk with the applications.
          postgresSettings: { shared_buffers: '64MB', max_wal_size: '512MB' },
        }),
      () => '3 PostgreSQL, 3 nats-servers, links of 40 to 90 ms',
    );
    closing.push(() => cluster.stop());
    signal.throwIfAborted();
    const schema = await readScript(join(import.meta.dirname, 'shop.sql'));
    await steps.do(
      'shop',
      () => prepareCluster(cluster, { schema, signal }),
      ({ reports }) =>
        `${counted(reports[0]?.tables.length ?? 0, 'table')} in each region, ready to replicate`,
    );
    const replicators: ReplicatorProcess[] = [];
    // Nothing of it is kept, so nothing has to be closed in order.
    closing.push(() => Promise.all(replicators.map((replicator) => replicator.kill())));
    const start = async (): Promise<void> => {
      for (const region of REGIONS) {
        const logPath = join(directory.path, region, 'replicator.log');
        const { configPath } = cluster;
        replicators.push(await startReplicatorProcess({ configPath, region, logPath }));
      }
      await Promise.all(replicators.map((replicator) => replicator.untilReady()));
    };
    await steps.do('replicators', start, () => 'one per region, all running');
    signal.throwIfAborted();
    const urls = new Map(
      [...cluster.regions].map(([name, { postgres }]) => [name, postgres.url(DATABASE)]),
    );
    return { cluster, urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Takes one region off the network: packets vanish in both directions, nobody is told. */
export function setLinks(cluster: LocalCluster, region: string, state: 'cut' | 'healed'): void {
  for (const { from, to, proxy } of cluster.links()) {
    if (from !== region && to !== region) continue;
    if (state === 'cut') proxy.cut('drop');
    else proxy.heal();
  }
}
