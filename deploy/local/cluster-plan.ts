import { setTimeout as sleep } from 'node:timers/promises';
import { EverywriteError } from '#core/errors.ts';
import { parseRegionId } from '#core/region.ts';
import { readClusterFile, writeClusterFile } from './cluster-file.ts';
import type { ClusterFile } from './cluster-file.ts';
import { chooseClusterPorts } from './cluster-ports.ts';
import { askForLinks } from './control-client.ts';
import { parseLatency } from './latency.ts';
import { isAlive } from './process-table.ts';
import { clusterIn } from './running-clusters.ts';

/** What a person asked for; what is left out is as the data directory remembers it. */
export interface ClusterWishes {
  readonly dataDir: string;
  readonly regions?: readonly string[];
  /** `80`, or `eu-us=80,eu-ap=120`. */
  readonly latency?: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly postgresSettings: Readonly<Record<string, string>>;
}

export interface ClusterPlan {
  readonly file: ClusterFile;
  /** Sentences about what could not be as the last time. */
  readonly notes: readonly string[];
}

const DEFAULT_REGIONS: readonly string[] = ['eu', 'us', 'ap'];
/** The watchdog of a cluster that was killed ends its servers within its FAREWELL_MS. */
const LEFTOVERS_MS = 9_000;
const LEFTOVERS_POLL_MS = 50;

/** Joins the wishes with what the data directory remembers, and writes the result down there. */
export async function planCluster(wishes: ClusterWishes): Promise<ClusterPlan> {
  const last = await readClusterFile(wishes.dataDir);
  const regions = wishes.regions ?? last?.regions ?? DEFAULT_REGIONS;
  requireRegions(regions);
  if (last !== null) {
    requireSameRegions(wishes.dataDir, last.regions, regions);
    await awaitLeftovers(wishes.dataDir);
  }
  const { ports, moved } = await chooseClusterPorts(regions, last?.ports);
  const { latency } = wishes;
  const file: ClusterFile = {
    version: 1,
    regions: last?.regions ?? regions,
    ports,
    delaysMs: latency === undefined ? (last?.delaysMs ?? {}) : parseLatency(latency, regions),
    columns: { ...last?.columns, ...wishes.columns },
    postgresSettings: { ...last?.postgresSettings, ...wishes.postgresSettings },
  };
  await writeClusterFile(wishes.dataDir, file);
  return { file, notes: moved };
}

function requireRegions(regions: readonly string[]): void {
  for (const name of regions) parseRegionId(name);
  const twice = regions.find((name, at) => regions.indexOf(name) !== at);
  if (twice !== undefined) throw usage(`Region ${twice} is listed twice in --regions.`);
}

function requireSameRegions(
  dataDir: string,
  last: readonly string[],
  wished: readonly string[],
): void {
  if (last.toSorted().join() === wished.toSorted().join()) return;
  throw usage(
    `The cluster in ${dataDir} has the regions ${last.join(', ')}; leave out --regions, or name another directory.`,
  );
}

/** Refuses while the last owner runs; when it was killed, waits for its servers to be gone. */
async function awaitLeftovers(dataDir: string): Promise<void> {
  const last = await clusterIn(dataDir);
  if (last === null) return;
  // The process id may be another program's by now: what counts is whether it answers.
  if (isAlive(last.pid) && (await askForLinks(last.control).catch(() => null)) !== null) {
    throw usage(`A cluster runs on ${dataDir} already (process ${last.pid}); stop it first.`);
  }
  const deadline = performance.now() + LEFTOVERS_MS;
  while (isAlive(last.watchdog) && performance.now() < deadline) await sleep(LEFTOVERS_POLL_MS);
}

function usage(message: string): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message });
}
