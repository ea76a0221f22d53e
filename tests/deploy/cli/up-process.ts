import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { isAlive } from '#deploy/local/process-table.ts';
import type { UpReport } from '#deploy/local/up-report.ts';

const COMMAND = join(import.meta.dirname, '../../../deploy/bin/everywrite.mjs');
const POLL_MS = 50;

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The `everywrite` command as a user starts it; `home` keeps its list of clusters apart. */
export function startCommand(home: string, args: readonly string[]): ChildProcess {
  const env = { ...process.env, XDG_RUNTIME_DIR: home };
  return spawn(process.execPath, [COMMAND, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

export async function finished(child: ChildProcess): Promise<Finished> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  const [out, err] = await Promise.all([text(stdout), text(stderr), ended(child)]);
  return { code: child.exitCode, out, err };
}

export function everywrite(home: string, args: readonly string[]): Promise<Finished> {
  return finished(startCommand(home, args));
}

/** A running `everywrite up --json`, after its one line. */
export interface UpProcess {
  readonly child: ChildProcess;
  readonly report: UpReport;
  /** Everything that it wrote to standard output until now. */
  out(): string;
  err(): string;
}

export async function up(home: string, args: readonly string[]): Promise<UpProcess> {
  const child = startCommand(home, ['up', '--json', ...args]);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  while (!out.includes('\n')) {
    if (child.exitCode !== null) throw new Error(`up ended with ${child.exitCode}: ${err}`);
    await sleep(POLL_MS);
  }
  return { child, report: JSON.parse(out) as UpReport, out: () => out, err: () => err };
}

export async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

/** All processes of a cluster, `up` itself included. */
export function processesOf({ report }: UpProcess): readonly number[] {
  return [report.pid, ...Object.values(report.regions).flatMap(({ pids }) => Object.values(pids))];
}

/** Waits until a check holds; false when it never does. */
export async function comesTrue(check: () => Promise<boolean> | boolean): Promise<boolean> {
  for (const deadline = performance.now() + 15_000; performance.now() < deadline;) {
    if (await check()) return true;
    await sleep(POLL_MS);
  }
  return false;
}

export function allGone(pids: readonly number[]): Promise<boolean> {
  return comesTrue(() => !pids.some(isAlive));
}

/** The first column of the first row, as a session of an ordinary application sees it. */
export async function ask(url: string, query: string): Promise<unknown> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: query, rowMode: 'array' });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}
