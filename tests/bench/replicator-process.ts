import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { REPLICATOR_NODE_FLAGS } from '#deploy/local/replicator-process.ts';
import { superviseProcess } from '#deploy/local/supervise.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const STOP_TIMEOUT_MS = 20_000;
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 20;
/** V8 says much when memory ends. */
const LOG_TAIL_LINES = 12;
const LOG_LINE_MAX = 300;

export interface ReplicatorProcessOptions {
  readonly configPath: string;
  readonly region: string;
  readonly adminPort: number;
  readonly logPath: string;
  readonly profileDir: string | undefined;
}

/** A replicator measured from outside, as it would run: a process of its own. */
export class ReplicatorProcess {
  readonly #options: ReplicatorProcessOptions;
  readonly #broken = Promise.withResolvers<never>();
  #child: ChildProcess | null = null;

  constructor(options: ReplicatorProcessOptions) {
    this.#options = options;
    // Whoever waits for it hears of it; that nobody waits just then is no error.
    this.#broken.promise.catch(() => {});
  }

  /** Rejects when the process ends although nobody stopped it. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(): void {
    const { configPath, region, logPath, profileDir = '' } = this.#options;
    const log = openSync(logPath, 'a');
    try {
      const main = fileURLToPath(import.meta.resolve('./replicator-main.ts'));
      const child = spawn(
        process.execPath,
        [...REPLICATOR_NODE_FLAGS, main, configPath, region, profileDir],
        {
          stdio: ['ignore', log, log],
        },
      );
      superviseProcess(child, 'SIGTERM');
      child.once('exit', (code, signal) => {
        if (this.#child !== child) return;
        this.#child = null;
        this.#broken.reject(new Error(this.#lastWords(`ended by itself (${signal ?? code})`)));
      });
      child.unref();
      this.#child = child;
    } finally {
      closeSync(log);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const gone = once(child, 'exit', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    child.kill('SIGTERM');
    try {
      await gone;
    } catch {
      child.kill('SIGKILL');
    }
  }

  /** Begins a CPU profile, or ends and writes the one that has begun. */
  toggleProfile(): boolean {
    if (this.#options.profileDir === undefined) return false;
    return this.#child?.kill('SIGUSR2') ?? false;
  }

  async status(): Promise<RegionStatus> {
    const answer = await fetch(`http://127.0.0.1:${this.#options.adminPort}/status`);
    return (await answer.json()) as RegionStatus;
  }

  async untilRunning(): Promise<void> {
    await this.until('to run', READY_TIMEOUT_MS, ({ phase }) => phase === 'running');
  }

  /** Polls the status page until it says so. */
  async until(
    what: string,
    timeoutMs: number,
    holds: (status: RegionStatus) => boolean,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      const status = await this.status().catch(() => null);
      if (status !== null && holds(status)) return;
      if (this.#child === null) return this.broken;
      await sleep(POLL_MS);
    }
    throw new Error(this.#lastWords(`was waited for ${what} for ${timeoutMs / 1000} s`));
  }

  #lastWords(what: string): string {
    const { region, logPath } = this.#options;
    const tail = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
    const lines = tail.map((line) => line.slice(0, LOG_LINE_MAX));
    return `replicator ${region} ${what}; the end of its log:\n  ${lines.join('\n  ')}`;
  }
}
