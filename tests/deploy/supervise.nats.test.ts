import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isAlive } from '#deploy/local/process-table.ts';

const parent = fileURLToPath(import.meta.resolve('./supervise-parent.ts'));

/** A process with a server and a temporary directory, told how to end. */
async function orphansOf(end: string): Promise<{ pid: number; directory: string }> {
  const child = spawn(process.execPath, [parent, end], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  await once(child, 'exit');
  return JSON.parse(line.toString()) as { pid: number; directory: string };
}

test.each(['return', 'throw', 'SIGINT', 'SIGTERM', 'SIGKILL'])(
  'no server and no temporary directory outlives its parent: %s',
  async (end) => {
    const { pid, directory } = await orphansOf(end);
    const left = (): boolean => isAlive(pid) || existsSync(directory);
    for (let waits = 0; left() && waits < 200; waits += 1) await sleep(20);
    expect(left()).toBe(false);
  },
);
