import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Installs a Debian or Ubuntu package when we may: as root, on a system with apt. Returns why it
 * could not, or undefined when the package is there.
 */
export function aptInstall(name: string): string | undefined {
  if (!existsSync('/usr/bin/apt-get')) return 'this system has no apt-get';
  if (process.getuid?.() !== 0) return `not root, so "apt-get install ${name}" is not ours to run`;
  process.stderr.write(`everywrite: installing ${name} with apt-get\n`);
  return aptGet(['update']) ?? aptGet(['install', '-y', '--no-install-recommends', name]);
}

function aptGet(args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync('apt-get', ['-q', ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status === 0) return undefined;
  const reason = error === undefined ? stderr.trim() : String(error);
  return `"apt-get ${args.join(' ')}" failed: ${reason}`;
}
