import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { must } from '#core/assert.ts';
import { chooseClusterPorts, directedPairs, linkKey } from '#deploy/local/cluster-ports.ts';
import type { ClusterPorts, RegionPorts } from '#deploy/local/cluster-ports.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import { startNats } from '#deploy/local/nats-server.ts';
import type { NatsServer } from '#deploy/local/nats-server.ts';
import { startPostgres } from '#deploy/local/postgres-server.ts';
import type { PostgresServer } from '#deploy/local/postgres-server.ts';
import { loadConfig } from '#replicator/config.ts';
import type { ClusterConfig } from '#replicator/config.ts';

export interface LocalClusterOptions {
  readonly cluster: string;
  readonly regions: readonly string[];
  /** Servers keep their data below it; must be reachable by the server account. */
  readonly dataDir: string;
  /** One-way latency of a directed link; 0 by default. */
  readonly delayMs?: (from: string, to: string) => number;
  readonly postgresSettings?: Readonly<Record<string, string>>;
  readonly postgresBinDir?: string;
  /** Free ports are chosen without it. */
  readonly ports?: ClusterPorts;
  /** `replication`, `log`, `gateway`, `tables` and `columns` of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface LocalRegion {
  readonly name: string;
  readonly postgres: PostgresServer;
  readonly nats: NatsServer;
  readonly adminPort: number;
}

/** Servers, links and one configuration file; the replicators are the caller's to start. */
export interface LocalCluster {
  readonly regions: ReadonlyMap<string, LocalRegion>;
  readonly configPath: string;
  readonly config: ClusterConfig;
  /** The link over which `from` dials `to`. */
  link(from: string, to: string): LinkProxy;
  links(): readonly { readonly from: string; readonly to: string; readonly proxy: LinkProxy }[];
  stop(): Promise<void>;
}

export const DATABASE = 'app';

/** Starts every region's PostgreSQL and NATS, and a proxy for every directed link between them. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  await mkdir(options.dataDir, { recursive: true });
  const ports = options.ports ?? (await chooseClusterPorts(options.regions)).ports;
  const proxies = new Map<string, LinkProxy>();
  const regions = new Map<string, LocalRegion>();
  const stop = (): Promise<void> => stopAll(proxies, regions);
  try {
    // The file before the servers: what is wrong in it is said at once.
    const configPath = join(options.dataDir, 'everywrite.yaml');
    await writeFile(configPath, configText(options, ports));
    const config = await loadConfig(configPath, process.env);
    for (const pair of directedPairs(options.regions)) {
      proxies.set(linkKey(pair.from, pair.to), await startLink(options, ports, pair));
    }
    await startRegions(options, ports, regions);
    return {
      regions,
      configPath,
      config,
      link(from, to) {
        const proxy = proxies.get(linkKey(from, to));
        if (proxy === undefined) throw new RangeError(`no link from ${from} to ${to}`);
        return proxy;
      },
      links: () =>
        directedPairs(options.regions).map(({ from, to }) => {
          return { from, to, proxy: must(proxies.get(linkKey(from, to)), 'link') };
        }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopAll(
  proxies: ReadonlyMap<string, LinkProxy>,
  regions: ReadonlyMap<string, LocalRegion>,
): Promise<void> {
  await Promise.allSettled([...proxies.values()].map((proxy) => proxy.close()));
  await Promise.allSettled(
    [...regions.values()].flatMap(({ postgres, nats }) => [postgres.stop('fast'), nats.stop()]),
  );
}

function startLink(
  options: LocalClusterOptions,
  ports: ClusterPorts,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<LinkProxy> {
  return startLinkProxy({
    listenPort: must(ports.links[linkKey(from, to)], 'port of a link'),
    targetPort: portsOf(ports, to).nats,
    delayMs: options.delayMs?.(from, to) ?? 0,
  });
}

/** In the order of the options, whichever is up first; all are given the time to come up or fail. */
async function startRegions(
  options: LocalClusterOptions,
  ports: ClusterPorts,
  started: Map<string, LocalRegion>,
): Promise<void> {
  const starts = await Promise.allSettled(
    options.regions.map((name) => startRegion(options, name, portsOf(ports, name))),
  );
  let failure: PromiseRejectedResult | undefined;
  for (const start of starts) {
    if (start.status === 'fulfilled') started.set(start.value.name, start.value);
    else failure ??= start;
  }
  if (failure !== undefined) throw failure.reason;
}

async function startRegion(
  options: LocalClusterOptions,
  name: string,
  ports: RegionPorts,
): Promise<LocalRegion> {
  const [postgres, nats] = await Promise.allSettled([
    startPostgres({
      dataDir: join(options.dataDir, name, 'postgres'),
      port: ports.postgres,
      ...(options.postgresBinDir === undefined ? {} : { binDir: options.postgresBinDir }),
      ...(options.postgresSettings === undefined ? {} : { settings: options.postgresSettings }),
    }),
    startNats({ storeDir: join(options.dataDir, name, 'nats'), port: ports.nats, name }),
  ]);
  if (postgres.status === 'fulfilled' && nats.status === 'fulfilled') {
    return { name, postgres: postgres.value, nats: nats.value, adminPort: ports.admin };
  }
  if (postgres.status === 'fulfilled') await postgres.value.stop('fast');
  if (nats.status === 'fulfilled') await nats.value.stop();
  throw postgres.status === 'rejected' ? postgres.reason : (nats as PromiseRejectedResult).reason;
}

function portsOf(ports: ClusterPorts, name: string): RegionPorts {
  const found = ports.regions[name];
  if (found === undefined) throw new RangeError(`no region ${name}`);
  return found;
}

function configText(options: LocalClusterOptions, ports: ClusterPorts): string {
  const regions = Object.fromEntries(
    options.regions.map((name) => {
      const { postgres, nats, admin, gateway } = portsOf(ports, name);
      const peers = options.regions
        .filter((peer) => peer !== name)
        .map((peer) => [peer, `nats://127.0.0.1:${ports.links[linkKey(name, peer)] ?? 0}`]);
      return [
        name,
        {
          database: `postgres://postgres@127.0.0.1:${postgres}/${DATABASE}`,
          nats: `nats://127.0.0.1:${nats}`,
          admin: `127.0.0.1:${admin}`,
          gateway: `127.0.0.1:${gateway}`,
          peers: Object.fromEntries(peers),
        },
      ];
    }),
  );
  return stringify({ cluster: options.cluster, regions, ...options.config });
}
