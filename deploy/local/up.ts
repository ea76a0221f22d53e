import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asEverywriteError } from '#core/errors.ts';
import type { LogLevel } from '#core/ports.ts';
import { startLocalCluster } from './cluster.ts';
import type { LocalCluster, LocalClusterOptions } from './cluster.ts';
import type { ClusterFile } from './cluster-file.ts';
import { linkKey } from './cluster-ports.ts';
import { planCluster } from './cluster-plan.ts';
import type { ClusterWishes } from './cluster-plan.ts';
import { startControlServer } from './control-server.ts';
import type { ControlServer } from './control-server.ts';
import { keepRunning } from './keep-running.ts';
import type { Restartable } from './keep-running.ts';
import { startPageServer } from './page-server.ts';
import { prepareCluster } from './prepare-cluster.ts';
import type { PreparedCluster } from './prepare-cluster.ts';
import type { SqlScript } from './load-script.ts';
import { startReplicatorProcess } from './replicator-process.ts';
import type { ReplicatorProcess } from './replicator-process.ts';
import { GatewayProcess } from './gateway-process.ts';
import { announceCluster } from './running-clusters.ts';
import { startWatchdog } from './supervise.ts';

const CLUSTER = 'local';
/** On this machine everybody is the owner, who may look around. */
const LOCAL_GATEWAY = {
  introspection: true,
  graphiql: true,
  statusPage: true,
  auth: { anonymousRole: 'postgres' },
} as const;
/** How long a restart that is under way may hold up the end. */
const KEEPERS_MS = 2_000;

export interface UpOptions extends ClusterWishes {
  readonly schema?: SqlScript;
  readonly logLevel?: LogLevel;
  /** The page that shows one row once per region; its own schema when none is given. */
  readonly page?: boolean;
  /** Where the list of running clusters is found. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A step that is done, for a person to follow. */
  readonly progress: (sentence: string) => void;
  /** Something that a person should know of. */
  readonly warn: (sentence: string) => void;
  readonly signal: AbortSignal;
}

/** A whole cluster on this machine: servers, links and replicators, all running. */
export interface Up {
  readonly cluster: LocalCluster;
  readonly control: ControlServer;
  readonly prepared: PreparedCluster;
  readonly replicators: readonly ReplicatorProcess[];
  readonly gateways: readonly GatewayProcess[];
  /** Where the page is; null without one. */
  readonly page: string | null;
  /** Gateways and replicators first; never rejects. */
  stop(): Promise<void>;
}

interface Closer {
  readonly what: string;
  close(): Promise<unknown>;
}

/** Starts everything and waits until every region replicates. What fails is taken down again. */
export async function startUp(options: UpOptions): Promise<Up> {
  const closers: Closer[] = [];
  const stop = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) {
      await closer
        .close()
        .catch((error: unknown) => options.warn(`${closer.what}: ${String(error)}`));
    }
  };
  try {
    return { ...(await startAll(options, closers)), stop };
  } catch (error) {
    await stop();
    throw asEverywriteError(error, 'SERVER_START_FAILED');
  }
}

async function startAll(options: UpOptions, closers: Closer[]): Promise<Omit<Up, 'stop'>> {
  const { signal, progress } = options;
  const { file, notes } = await planCluster(options);
  for (const note of notes) options.warn(note);
  progress(`Starting PostgreSQL and nats-server in ${file.regions.join(', ')} …`);
  const cluster = await startLocalCluster(clusterOptions(options.dataDir, file));
  closers.push({ what: 'stopping the servers', close: () => cluster.stop() });
  signal.throwIfAborted();
  if (options.schema !== undefined) progress(`Loading ${options.schema.source} …`);
  const prepared = await prepareCluster(cluster, options);
  progress('Starting the replicators …');
  const replicators = await startReplicators(options, cluster, closers);
  signal.throwIfAborted();
  progress('Starting the gateways …');
  const gateways = await startGateways(options, cluster, closers);
  signal.throwIfAborted();
  const control = await startControlServer(cluster);
  closers.push({ what: 'closing the control server', close: () => control.close() });
  const page = options.page === true ? await startPage(cluster, gateways, closers) : null;
  await announce(options, { cluster, control }, closers);
  closers.push(startKeepers(options, cluster, { replicators, gateways }));
  return { cluster, control, prepared, replicators, gateways, page };
}

function clusterOptions(dataDir: string, file: ClusterFile): LocalClusterOptions {
  return {
    cluster: CLUSTER,
    regions: file.regions,
    dataDir,
    ports: file.ports,
    delayMs: (from, to) => file.delaysMs[linkKey(from, to)] ?? 0,
    postgresSettings: file.postgresSettings,
    config: {
      ...(Object.keys(file.columns).length === 0 ? {} : { columns: file.columns }),
      gateway: LOCAL_GATEWAY,
    },
  };
}

async function startGateways(
  options: UpOptions,
  cluster: LocalCluster,
  closers: Closer[],
): Promise<readonly GatewayProcess[]> {
  const gateways: GatewayProcess[] = [];
  closers.push({
    what: 'stopping the gateways',
    close: () => Promise.all(gateways.map((gateway) => gateway.stop())),
  });
  for (const region of cluster.regions.keys()) {
    gateways.push(
      await GatewayProcess.start({
        configPath: cluster.configPath,
        region,
        logPath: join(options.dataDir, region, 'gateway.log'),
      }),
    );
  }
  await untilReadyOrAborted(gateways, options.signal);
  return gateways;
}

async function untilReadyOrAborted(
  processes: readonly { untilReady(): Promise<void> }[],
  signal: AbortSignal,
): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const ready = Promise.all(processes.map((one) => one.untilReady()));
  await Promise.race([ready, aborted]);
}

async function startPage(
  cluster: LocalCluster,
  gateways: readonly GatewayProcess[],
  closers: Closer[],
): Promise<string> {
  const server = await startPageServer(cluster, gateways);
  closers.push({ what: 'closing the page', close: () => server.close() });
  return server.url;
}

async function startReplicators(
  options: UpOptions,
  cluster: LocalCluster,
  closers: Closer[],
): Promise<readonly ReplicatorProcess[]> {
  const replicators: ReplicatorProcess[] = [];
  closers.push({
    what: 'stopping the replicators',
    close: () => Promise.all(replicators.map((replicator) => replicator.stop())),
  });
  for (const region of cluster.regions.keys()) {
    replicators.push(
      await startReplicatorProcess({
        configPath: cluster.configPath,
        region,
        logPath: join(options.dataDir, region, 'replicator.log'),
        ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
      }),
    );
  }
  await untilReadyOrAborted(replicators, options.signal);
  return replicators;
}

async function announce(
  options: UpOptions,
  up: Pick<Up, 'cluster' | 'control'>,
  closers: Closer[],
): Promise<void> {
  const { cluster, control } = up;
  const withdraw = await announceCluster(
    {
      pid: process.pid,
      dataDir: options.dataDir,
      configPath: cluster.configPath,
      regions: [...cluster.regions.keys()],
      control: { url: control.url, token: control.token },
      watchdog: startWatchdog(),
    },
    options.environment,
  );
  closers.push({ what: 'removing the control file', close: withdraw });
}

function startKeepers(
  options: UpOptions,
  cluster: LocalCluster,
  { replicators, gateways }: Pick<Up, 'replicators' | 'gateways'>,
): Closer {
  const stop = new AbortController();
  const keep = (name: string, server: Restartable): Promise<void> =>
    keepRunning(name, server, options.warn, stop.signal);
  const keepers = [
    ...[...cluster.regions.values()].flatMap(({ name, postgres, nats }) => [
      keep(`PostgreSQL of ${name}`, postgres),
      keep(`nats-server of ${name}`, nats),
    ]),
    ...replicators.map((replicator) => keep(`replicator of ${replicator.region}`, replicator)),
    ...gateways.map((gateway) => keep(`gateway of ${gateway.region}`, gateway)),
  ];
  return {
    what: 'ending the supervision',
    close: async () => {
      stop.abort();
      await Promise.race([Promise.all(keepers), sleep(KEEPERS_MS, undefined, { ref: false })]);
    },
  };
}
