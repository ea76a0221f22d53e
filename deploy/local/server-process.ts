import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, killWithChildren } from './process-table.ts';
import { identityOf } from './server-account.ts';
import type { ServerAccount } from './server-account.ts';
import { startWatchdog, superviseProcess } from './supervise.ts';

const LOG_TAIL_LINES = 15;
const READY_POLL_MS = 15;
const GONE_POLL_MS = 5;

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Standard output and standard error are appended to this file. */
  readonly logPath: string;
  readonly cwd: string;
  readonly account?: ServerAccount | undefined;
  /** The signal that asks this server to end at once when we ourselves have died. */
  readonly farewell: NodeJS.Signals;
}

/** One run of a server: a child process that writes to a log file and does not outlive us. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #command: ServerCommand;
  readonly #logStart: number;
  readonly pid: number;

  private constructor(child: ChildProcess, pid: number, command: ServerCommand, logStart: number) {
    this.#child = child;
    this.pid = pid;
    this.#command = command;
    this.#logStart = logStart;
  }

  static async spawn(command: ServerCommand): Promise<ServerProcess> {
    startWatchdog();
    const log = openSync(command.logPath, 'a');
    const logStart = fstatSync(log).size;
    try {
      const child = spawn(command.command, command.args, {
        // Its own session: the terminal's Ctrl-C is for us, and we decide how a server ends.
        detached: true,
        stdio: ['ignore', log, log],
        cwd: command.cwd,
        ...identityOf(command.account),
      });
      superviseProcess(child, command.farewell);
      await once(child, 'spawn');
      // A server left running does not keep us running: the watchdog ends it after us.
      child.unref();
      return new ServerProcess(child, child.pid ?? 0, command, logStart);
    } catch (cause) {
      throw new Error(
        `cannot run ${command.command}; is it built for this system (${process.platform} ` +
          `${process.arch})? Its cause: ${String(cause)}`,
        { cause },
      );
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Polls until the server says that it is ready; throws with its last words if it ends instead. */
  async untilReady(ready: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await ready())) {
      if (!this.running) throw new Error(this.lastWords('ended while starting'));
      if (Date.now() > deadline) {
        await this.kill();
        throw new Error(this.lastWords(`was not ready after ${timeoutMs / 1000} s`));
      }
      await sleep(READY_POLL_MS);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal);
  }

  /** Waits for the end; whoever has not ended by then is killed, and that is reported. */
  async untilEnded(timeoutMs: number): Promise<void> {
    if (!this.running) return;
    this.#child.ref();
    try {
      await once(this.#child, 'exit', { signal: AbortSignal.timeout(timeoutMs) });
      return;
    } catch {
      await this.kill();
    } finally {
      this.#child.unref();
    }
    throw new Error(this.lastWords(`had to be killed: it did not stop in ${timeoutMs / 1000} s`));
  }

  /** Kills the server and its child processes, and returns when none of them is left. */
  async kill(): Promise<void> {
    if (!this.running) return;
    const family = killWithChildren(this.pid);
    while (this.running || family.some(isAlive)) await sleep(GONE_POLL_MS);
  }

  /** What became of it, with the end of its log. */
  lastWords(what: string): string {
    const { command, logPath } = this.#command;
    const log = readFileSync(logPath).subarray(this.#logStart).toString('utf8').trimEnd();
    const tail = log.split('\n').slice(-LOG_TAIL_LINES).join('\n  ');
    return `${command} ${what}. The end of ${logPath}:\n  ${tail}`;
  }
}
