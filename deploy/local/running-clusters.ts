import { mkdir, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ControlAddress } from './control-server.ts';
import { isAlive } from './process-table.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A cluster of `everywrite up` that runs now, as it is written down for the other commands. */
export interface RunningCluster {
  readonly pid: number;
  readonly dataDir: string;
  readonly configPath: string;
  readonly regions: readonly string[];
  readonly control: ControlAddress;
  /** Ends last when `pid` is killed: after it, no server of this cluster runs. */
  readonly watchdog: number;
}

/** Beside the data, for `--data DIR`. */
const CONTROL_FILE = 'control.json';

/**
 * Writes a cluster down in its data directory and in a directory of this user's; returns the way to
 * take it back. The files hold the token, so nobody else may read them.
 */
export async function announceCluster(
  cluster: RunningCluster,
  environment: Environment,
): Promise<() => Promise<void>> {
  const paths = [
    join(cluster.dataDir, CONTROL_FILE),
    join(runtimeDirectory(environment), `${cluster.pid}.json`),
  ];
  await mkdir(runtimeDirectory(environment), { recursive: true, mode: 0o700 });
  for (const path of paths) {
    // The mode counts only for a new file.
    await rm(path, { force: true });
    await writeFile(path, `${JSON.stringify(cluster, undefined, 2)}\n`, { mode: 0o600 });
  }
  return async () => {
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  };
}

/** Every cluster of this user's that runs now; what a killed one left is cleared away. */
export async function runningClusters(
  environment: Environment,
): Promise<readonly RunningCluster[]> {
  const directory = runtimeDirectory(environment);
  const names = await readdir(directory).catch((): string[] => []);
  const clusters: RunningCluster[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith('.json'))) {
    const cluster = await readCluster(join(directory, name));
    if (cluster !== null && isAlive(cluster.pid)) clusters.push(cluster);
    else await rm(join(directory, name), { force: true });
  }
  return clusters;
}

/** What was last written down in a data directory, whether it still runs or not. */
export async function clusterIn(dataDir: string): Promise<RunningCluster | null> {
  return readCluster(join(await realpath(dataDir).catch(() => dataDir), CONTROL_FILE));
}

async function readCluster(path: string): Promise<RunningCluster | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as RunningCluster;
  } catch {
    // Gone meanwhile, or cut short when its writer was killed.
    return null;
  }
}

function runtimeDirectory(environment: Environment): string {
  const base =
    environment['XDG_RUNTIME_DIR'] ??
    environment['XDG_STATE_HOME'] ??
    join(environment['HOME'] ?? homedir(), '.local', 'state');
  return join(base, 'everywrite', 'clusters');
}
