import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { aptInstall } from './apt-install.ts';

// Debian puts it into /usr/sbin, which an ordinary user's PATH lacks.
const OTHER_DIRECTORIES = ['/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/opt/homebrew/bin'];

const INSTRUCTIONS = [
  'On Debian or Ubuntu run "sudo apt-get install nats-server".',
  'On macOS run "brew install nats-server".',
  'On Windows run "choco install nats-server".',
  'On any other system put the program from the archive at ' +
    'https://github.com/nats-io/nats-server/releases into a directory of your PATH.',
];

/** The path of a nats-server; installs it where apt is ours to use, else says how to get it. */
export async function ensureNatsServer(): Promise<string> {
  const found = findNatsServer();
  if (found !== undefined) return found;
  const obstacle = aptInstall('nats-server');
  const installed = findNatsServer();
  if (installed !== undefined) return installed;
  const reason = obstacle ?? 'apt-get installed it, but in none of the directories searched';
  throw new Error(`there is no nats-server here (${reason}).\n${INSTRUCTIONS.join('\n')}`);
}

/** The version as numbers, for comparison: `[2, 10, 4]`. */
export async function natsVersion(program: string): Promise<readonly [number, number, number]> {
  const { stdout } = await promisify(execFile)(program, ['--version']);
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(stdout);
  if (match === null) throw new Error(`"${program} --version" says no version: ${stdout.trim()}`);
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

function findNatsServer(): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...OTHER_DIRECTORIES];
  const name = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
