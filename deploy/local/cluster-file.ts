import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EverywriteError } from '#core/errors.ts';
import type { ClusterPorts } from './cluster-ports.ts';

/** What a data directory remembers of its cluster, so that the next `up` is the same one. */
export interface ClusterFile {
  readonly version: 1;
  readonly regions: readonly string[];
  readonly ports: ClusterPorts;
  /** One-way, by `from to`. */
  readonly delaysMs: Readonly<Record<string, number>>;
  /** Column types by `schema.table.column`. */
  readonly columns: Readonly<Record<string, string>>;
  readonly postgresSettings: Readonly<Record<string, string>>;
}

const NAME = 'cluster.json';

/** Null for a directory that is empty or not there; anything but a cluster's files is refused. */
export async function readClusterFile(dataDir: string): Promise<ClusterFile | null> {
  const names = await readdir(dataDir).catch((): string[] => []);
  if (names.length === 0) return null;
  if (!names.includes(NAME)) {
    throw refused(`${dataDir} holds files, but no cluster of everywrite; name another directory.`);
  }
  try {
    const file = JSON.parse(await readFile(join(dataDir, NAME), 'utf8')) as ClusterFile;
    if (file.version === 1) return file;
  } catch (cause) {
    throw refused(`${join(dataDir, NAME)} cannot be read (${String(cause)}).`, cause);
  }
  throw refused(`${join(dataDir, NAME)} is of another version of everywrite.`);
}

export async function writeClusterFile(dataDir: string, file: ClusterFile): Promise<void> {
  const path = join(dataDir, NAME);
  await writeFile(`${path}.draft`, `${JSON.stringify(file, undefined, 2)}\n`);
  await rename(`${path}.draft`, path);
}

function refused(message: string, cause?: unknown): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message, cause });
}
