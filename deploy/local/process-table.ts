import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process with this id runs (a zombie, ended but not yet reaped, does not). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  // In a container without an init process nobody reaps orphans: they stay as zombies for good.
  return process.platform !== 'linux' || statOf(pid)?.state !== 'Z';
}

/** The ids of the direct children of a process. */
export function childrenOf(parent: number): number[] {
  const rows = process.platform === 'linux' ? rowsOfProc() : rowsOfPs();
  return rows.filter((row) => row.parent === parent).map((row) => row.pid);
}

/**
 * SIGKILLs a process and its direct children as a power cut would: all at the same moment. The
 * parent is stopped first so that it can neither fork nor restart anything while we look.
 */
export function killWithChildren(pid: number): number[] {
  signalQuietly(pid, 'SIGSTOP');
  const family = [pid, ...childrenOf(pid)];
  for (const member of family) signalQuietly(member, 'SIGKILL');
  return family;
}

/** Sends a signal; a process that is gone already is no error. */
export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, which is what a signal that ends a process is for.
  }
}

interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
}

function rowsOfProc(): ProcessRow[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((name) => statOf(Number(name))).filter((row) => row !== undefined);
}

function statOf(pid: number): ProcessRow | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command stands in parentheses and may itself hold spaces and parentheses.
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(parent), state };
  } catch {
    return undefined;
  }
}

function rowsOfPs(): ProcessRow[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [pid, parent, state = ''] = line.trim().split(/\s+/);
    return pid && parent ? [{ pid: Number(pid), parent: Number(parent), state }] : [];
  });
}
