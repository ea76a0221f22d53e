import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** What the watchdog is told, one JSON object a line. */
export type WatchdogOrder =
  | { readonly kind: 'watch'; readonly pid: number; readonly farewell: NodeJS.Signals }
  | { readonly kind: 'forget'; readonly pid: number }
  | { readonly kind: 'sweep'; readonly directory: string }
  | { readonly kind: 'keep'; readonly directory: string };

/**
 * Makes a server die with us, however we die. A small child process holds the other end of a
 * pipe; when we end (return, signal, uncaught exception, SIGKILL) the kernel closes the pipe and
 * the watchdog ends what we left. So no signal handler of ours is needed, and none of the
 * application's is disturbed. `farewell` is the signal that asks this kind of server to end.
 */
export function superviseProcess(child: ChildProcess, farewell: NodeJS.Signals): void {
  const { pid } = child;
  if (pid === undefined) return;
  order({ kind: 'watch', pid, farewell });
  // A process id is used again one day: the watchdog must not hold on to one that has ended.
  child.once('exit', () => order({ kind: 'forget', pid }));
}

/** Has a directory removed when we end, whatever ends us; returns the way to take that back. */
export function superviseDirectory(directory: string): () => void {
  order({ kind: 'sweep', directory });
  return () => order({ kind: 'keep', directory });
}

/**
 * Starts the watchdog now, so that no server lives unwatched while the watchdog starts. Returns its
 * process id: when we and it are gone, so is everything that we started.
 */
export function startWatchdog(): number {
  watchdog ??= spawnWatchdog();
  return watchdog.pid ?? 0;
}

interface Watchdog {
  readonly pid: number | undefined;
  readonly orders: Writable;
}

let watchdog: Watchdog | undefined;

function order(what: WatchdogOrder): void {
  watchdog ??= spawnWatchdog();
  watchdog.orders.write(`${JSON.stringify(what)}\n`);
}

function spawnWatchdog(): Watchdog {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./watchdog.ts'))], {
    // A session of its own: a Ctrl-C in the terminal reaches us, and must not reach the watchdog.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    // Nothing of our environment: NODE_OPTIONS or a debugger's port is not meant for it.
    env: { PATH: process.env['PATH'] },
  });
  child.unref();
  // The pipe alone must not keep us running. A dead watchdog costs only the clean-up, so its
  // broken pipe is no reason to fail.
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') {
    child.stdin.unref();
  }
  child.stdin.on('error', () => {});
  return { pid: child.pid, orders: child.stdin };
}
