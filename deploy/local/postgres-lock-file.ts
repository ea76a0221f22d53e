import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isAlive } from './process-table.ts';

// postmaster.pid: line 1 is the process id of the postmaster, line 8 its state.
const PID_LINE = 0;
const STATE_LINE = 7;

/** Whether this postmaster accepts connections; the same test that `pg_ctl start` makes. */
export function isPostmasterReady(dataDir: string, pid: number): boolean {
  const lines = lockFileLines(dataDir);
  return Number(lines[PID_LINE]) === pid && lines[STATE_LINE]?.trim() === 'ready';
}

/**
 * After a SIGKILL or a restart of the machine the lock file stays, and its process id may belong to
 * another program by now; PostgreSQL then refuses to start ("lock file already exists"). A file
 * that names a dead process is left alone: PostgreSQL itself checks that no orphaned backend still
 * uses the shared memory, and replaces it.
 */
export function clearStaleLockFile(dataDir: string): void {
  const pid = Number(lockFileLines(dataDir)[PID_LINE]);
  if (!(pid > 0) || !isAlive(pid)) return;
  if (isPostmasterOf(dataDir, pid)) {
    throw new Error(`a PostgreSQL (process ${pid}) is running on ${dataDir}; stop it first`);
  }
  rmSync(join(dataDir, 'postmaster.pid'), { force: true });
}

function isPostmasterOf(dataDir: string, pid: number): boolean {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' });
    return basename((stdout ?? '').trim()).startsWith('postgres');
  }
  try {
    // A postmaster works in its data directory.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch {
    // Not ours to look at, so not a postmaster that could open our files.
    return false;
  }
}

function lockFileLines(dataDir: string): string[] {
  try {
    return readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}
