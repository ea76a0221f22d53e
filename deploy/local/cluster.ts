import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';
import type { LinkProxy } from '#deploy/local/link-proxy.ts';
import { startNats } from '#deploy/local/nats-server.ts';
import type { NatsServer } from '#deploy/local/nats-server.ts';
import { freePorts } from '#deploy/local/ports.ts';
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
  /** `replication`, `log`, `tables` and `columns` of the configuration file. */
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

interface Ports {
  readonly postgres: number;
  readonly nats: number;
  readonly admin: number;
}

export const DATABASE = 'app';

/** Starts every region's PostgreSQL and NATS, and a proxy for every directed link between them. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  await mkdir(options.dataDir, { recursive: true });
  const ports = await allocate(options.regions);
  const regions = new Map<string, LocalRegion>();
  await Promise.all(
    options.regions.map(async (name) => {
      regions.set(name, await startRegion(options, name, ports));
    }),
  );
  const proxies = new Map<string, LinkProxy>();
  for (const from of options.regions) {
    for (const to of options.regions) {
      if (from === to) continue;
      const delayMs = options.delayMs?.(from, to) ?? 0;
      const proxy = await startLinkProxy({ targetPort: portsOf(ports, to).nats, delayMs });
      proxies.set(`${from} ${to}`, proxy);
    }
  }
  const configPath = join(options.dataDir, 'everywrite.yaml');
  await writeFile(configPath, configText(options, ports, proxies));
  const config = await loadConfig(configPath, process.env);
  const link = (from: string, to: string): LinkProxy => {
    const proxy = proxies.get(`${from} ${to}`);
    if (proxy === undefined) throw new RangeError(`no link from ${from} to ${to}`);
    return proxy;
  };
  return {
    regions,
    configPath,
    config,
    link,
    links: () =>
      [...proxies].map(([pair, proxy]) => {
        const [from = '', to = ''] = pair.split(' ');
        return { from, to, proxy };
      }),
    stop: async () => {
      await Promise.allSettled([...proxies.values()].map((proxy) => proxy.close()));
      await Promise.allSettled(
        [...regions.values()].flatMap(({ postgres, nats }) => [postgres.stop('fast'), nats.stop()]),
      );
    },
  };
}

async function startRegion(
  options: LocalClusterOptions,
  name: string,
  ports: ReadonlyMap<string, Ports>,
): Promise<LocalRegion> {
  const own = portsOf(ports, name);
  const [postgres, nats] = await Promise.all([
    startPostgres({
      dataDir: join(options.dataDir, name, 'postgres'),
      port: own.postgres,
      ...(options.postgresBinDir === undefined ? {} : { binDir: options.postgresBinDir }),
      ...(options.postgresSettings === undefined ? {} : { settings: options.postgresSettings }),
    }),
    startNats({ storeDir: join(options.dataDir, name, 'nats'), port: own.nats, name }),
  ]);
  return { name, postgres, nats, adminPort: own.admin };
}

async function allocate(regions: readonly string[]): Promise<ReadonlyMap<string, Ports>> {
  const free = await freePorts(regions.length * 3);
  return new Map(
    regions.map((name, at) => {
      const [postgres = 0, nats = 0, admin = 0] = free.slice(at * 3, at * 3 + 3);
      return [name, { postgres, nats, admin }];
    }),
  );
}

function portsOf(ports: ReadonlyMap<string, Ports>, name: string): Ports {
  const found = ports.get(name);
  if (found === undefined) throw new RangeError(`no region ${name}`);
  return found;
}

function configText(
  options: LocalClusterOptions,
  ports: ReadonlyMap<string, Ports>,
  proxies: ReadonlyMap<string, LinkProxy>,
): string {
  const regions = Object.fromEntries(
    options.regions.map((name) => {
      const { postgres, nats, admin } = portsOf(ports, name);
      const peers = options.regions
        .filter((peer) => peer !== name)
        .map((peer) => [peer, `nats://127.0.0.1:${proxies.get(`${name} ${peer}`)?.port ?? 0}`]);
      return [
        name,
        {
          database: `postgres://postgres@127.0.0.1:${postgres}/${DATABASE}`,
          nats: `nats://127.0.0.1:${nats}`,
          admin: `127.0.0.1:${admin}`,
          peers: Object.fromEntries(peers),
        },
      ];
    }),
  );
  return stringify({ cluster: options.cluster, regions, ...options.config });
}
