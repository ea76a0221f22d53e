import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, chown, mkdir, readFile, readdir } from 'node:fs/promises';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { closedDirectory, giveTree, identityOf } from './server-account.ts';
import type { ServerAccount } from './server-account.ts';
import { superviseProcess } from './supervise.ts';

const SETTINGS_FILE = 'everywrite.conf';

export interface DataDirOptions {
  readonly dataDir: string;
  readonly binDir: string;
  /** The superuser that a new cluster gets. */
  readonly user: string;
  readonly account: ServerAccount | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

/** Makes a data directory ready for a start: creates the cluster, or adopts the one there. */
export async function prepareDataDir(options: DataDirOptions): Promise<void> {
  const { dataDir, account } = options;
  await mkdir(dirname(dataDir), { recursive: true });
  const closed = await closedDirectory(dirname(dataDir), account);
  if (closed !== undefined) {
    throw new Error(
      `PostgreSQL runs as account "${account?.name}", which cannot enter ${closed}, so it cannot ` +
        `keep its data in ${dataDir}. Choose another directory, or run "chmod o+x ${closed}".`,
    );
  }
  const entries = await readdir(dataDir).catch((): string[] => []);
  if (entries.length === 0) await createCluster(options);
  else if (entries.includes('PG_VERSION')) await adoptCluster(dataDir, account);
  else throw new Error(`${dataDir} holds files, but not PostgreSQL's; name another directory`);
  await writeSettings(options);
}

async function createCluster(options: DataDirOptions): Promise<void> {
  const { dataDir, account, binDir } = options;
  // Elsewhere first: an initdb that was interrupted must not leave half a cluster that looks whole.
  const draft = `${dataDir}.initdb`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  await runInitdb(join(binDir, 'initdb'), initdbArgs(draft, options), options);
  await rename(draft, dataDir);
}

function initdbArgs(draft: string, options: DataDirOptions): string[] {
  // macOS has no C.UTF-8 in its older versions, Linux has it everywhere.
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  const durable = options.settings['fsync'] !== 'off';
  const args = ['-D', draft, '-U', options.user, '-A', 'trust', '-E', 'UTF8'];
  return [...args, `--locale=${locale}`, ...(durable ? [] : ['--no-sync'])];
}

async function runInitdb(
  program: string,
  args: readonly string[],
  { account, dataDir }: DataDirOptions,
): Promise<void> {
  const initdb = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Our own working directory may be closed to the account.
    cwd: dirname(dataDir),
    ...identityOf(account),
  });
  superviseProcess(initdb, 'SIGTERM');
  const output = Promise.all([text(initdb.stdout), text(initdb.stderr)]);
  const [code] = (await once(initdb, 'close')) as [number | null];
  if (code === 0) return;
  throw new Error(`${program} could not create ${dataDir}:\n${(await output).join('').trimEnd()}`);
}

/** A copied or restored cluster may belong to whoever copied it, and be open to others. */
async function adoptCluster(dataDir: string, account: ServerAccount | undefined): Promise<void> {
  if (account !== undefined && (await stat(dataDir)).uid !== account.uid) {
    await giveTree(dataDir, account);
  }
  await chmod(dataDir, 0o700);
}

/** A file of its own, not the command line: ALTER SYSTEM must be able to override a setting. */
async function writeSettings({ dataDir, account, settings }: DataDirOptions): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoted(value)}\n`);
  const path = join(dataDir, SETTINGS_FILE);
  await writeFile(path, lines.join(''), { mode: 0o600 });
  if (account !== undefined) await chown(path, account.uid, account.gid);
  const main = join(dataDir, 'postgresql.conf');
  if ((await readFile(main, 'utf8')).includes(`'${SETTINGS_FILE}'`)) return;
  await appendFile(main, `\ninclude_if_exists = '${SETTINGS_FILE}'\n`);
}

function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
