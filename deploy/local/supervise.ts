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

/** Starts the watchdog now, so that no server lives unwatched while the watchdog starts. */
export function startWatchdog(): void {
  watchdogPipe ??= spawnWatchdog();
}

let watchdogPipe: Writable | undefined;

function order(what: WatchdogOrder): void {
  watchdogPipe ??= spawnWatchdog();
  watchdogPipe.write(`${JSON.stringify(what)}\n`);
}

function spawnWatchdog(): Writable {
  const watchdog = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./watchdog.ts'))], {
    // A session of its own: a Ctrl-C in the terminal reaches us, and must not reach the watchdog.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    // Nothing of our environment: NODE_OPTIONS or a debugger's port is not meant for it.
    env: { PATH: process.env['PATH'] },
  });
  watchdog.unref();
  // The pipe alone must not keep us running. A dead watchdog costs only the clean-up, so its
  // broken pipe is no reason to fail.
  if ('unref' in watchdog.stdin && typeof watchdog.stdin.unref === 'function') {
    watchdog.stdin.unref();
  }
  watchdog.stdin.on('error', () => {});
  return watchdog.stdin;
}
