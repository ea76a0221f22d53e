import { chmodSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall } from '#deploy/local/apt-install.ts';
import { postgresBinDir } from '#deploy/local/postgres-binaries.ts';
import { unprivilegedAccount } from '#deploy/local/server-account.ts';

/** PostgreSQL binaries whose clock, in one region, is wrong by as much as a test says. */
export interface WrongClock {
  readonly binDir: string;
  /** Takes effect within two seconds, in running servers too. */
  set(offsetSeconds: number): Promise<void>;
  remove(): Promise<void>;
}

/** Why clocks cannot be shifted here, or undefined once libfaketime is there. */
export function clockObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'libfaketime is used on Linux only';
  if (libfaketime() !== undefined) return undefined;
  return aptInstall('libfaketime') ?? (libfaketime() === undefined ? 'no libfaketime' : undefined);
}

/** Wraps the binaries so that the server of `region`, known by its data directory, reads another time. */
export async function wrongClock(region: string): Promise<WrongClock> {
  const library = libfaketime() ?? '';
  const real = await postgresBinDir(undefined, unprivilegedAccount());
  const binDir = mkdtempSync(join(tmpdir(), 'everywrite-clock-'));
  chmodSync(binDir, 0o755);
  const offsetPath = join(binDir, 'offset');
  // Preloaded by the program that runs as postgres already: the semaphore of libfaketime would
  // belong to root otherwise. Monotonic time stays honest, or every timer would fire at once.
  const environment = [
    `LD_PRELOAD='${library}'`,
    `FAKETIME_TIMESTAMP_FILE='${offsetPath}'`,
    'FAKETIME_CACHE_DURATION=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    'FAKETIME_DISABLE_SHM=1',
  ].join(' ');
  const wrappers = {
    initdb: `exec '${real}/initdb' "$@"`,
    postgres: `case "$*" in */${region}/postgres*) export ${environment};; esac\nexec '${real}/postgres' "$@"`,
  };
  for (const [name, text] of Object.entries(wrappers)) {
    writeFileSync(join(binDir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const set = async (offsetSeconds: number): Promise<void> => {
    const sign = offsetSeconds < 0 ? '-' : '+';
    // Renamed into place: a server that reads while it is written would read nothing.
    await writeFile(`${offsetPath}.new`, `${sign}${Math.abs(offsetSeconds)}\n`, { mode: 0o644 });
    await rename(`${offsetPath}.new`, offsetPath);
  };
  await set(0);
  return { binDir, set, remove: () => rm(binDir, { recursive: true, force: true }) };
}

function libfaketime(): string | undefined {
  if (!existsSync('/usr/lib')) return undefined;
  return readdirSync('/usr/lib')
    .map((name) => join('/usr/lib', name, 'faketime', 'libfaketime.so.1'))
    .find((path) => existsSync(path));
}
