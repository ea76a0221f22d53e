import { readFileSync } from 'node:fs';
import { lchown, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** The operating system account that a server runs as. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. When we are root it runs as `postgres`, or else `nobody`;
 * otherwise as ourselves, which is what `undefined` says.
 */
export function unprivilegedAccount(): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = accountNamed('postgres') ?? accountNamed('nobody');
  if (account === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and there is no account "postgres" or "nobody" to run it ' +
        'as. Create one ("useradd --system postgres"), or run everywrite as an ordinary user.',
    );
  }
  return account;
}

/** Spawn options that make a child run as the account. */
export function identityOf(account: ServerAccount | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid };
}

/** The first directory on the way to `path`, itself included, that the account cannot enter. */
export async function closedDirectory(
  path: string,
  account: ServerAccount | undefined,
): Promise<string | undefined> {
  if (account === undefined) return undefined;
  for (const directory of ancestry(path)) {
    const { uid, gid, mode } = await stat(directory);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 0o1) === 0) return directory;
  }
  return undefined;
}

/** Gives a file tree to the account. Symbolic links are given themselves, not what they name. */
export async function giveTree(path: string, account: ServerAccount): Promise<void> {
  await lchown(path, account.uid, account.gid);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await giveTree(child, account);
    else await lchown(child, account.uid, account.gid);
  }
}

function accountNamed(name: string): ServerAccount | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : undefined;
}

function ancestry(path: string): string[] {
  const absolute = resolve(path);
  const parent = dirname(absolute);
  return parent === absolute ? [absolute] : [...ancestry(parent), absolute];
}
