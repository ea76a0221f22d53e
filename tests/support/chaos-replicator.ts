import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startReplicatorProcess } from '#deploy/local/replicator-process.ts';
import type { ReplicatorProcess } from '#deploy/local/replicator-process.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const STATUS_TIMEOUT_MS = 2_000;
const POLL_MS = 25;

/** One `everywrite run` as a process of its own, which a test may kill, pause and start again. */
export class ChaosReplicator {
  readonly region: string;
  readonly logPath: string;
  readonly #configPath: string;
  #process: ReplicatorProcess | undefined;

  constructor(configPath: string, region: string, name = region) {
    this.#configPath = configPath;
    this.region = region;
    this.logPath = join(dirname(configPath), `replicator-${name}.log`);
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`no replicator of ${this.region} was started`);
    return this.#process.pid;
  }

  /** Returns at once, see `untilRunning`. */
  async start(): Promise<void> {
    const { region, logPath } = this;
    if (this.#process !== undefined) return this.#process.start();
    this.#process = await startReplicatorProcess({
      configPath: this.#configPath,
      region,
      logPath,
    });
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** SIGKILL: nothing is said to anybody, nothing is flushed. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Null while the process does not answer. */
  async status(): Promise<RegionStatus | null> {
    if (this.#process === undefined) return null;
    try {
      const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
      const answer = await fetch(`${this.#process.adminUrl}/status`, { signal });
      return (await answer.json()) as RegionStatus;
    } catch {
      return null;
    }
  }

  /** Polls the status until it is as wanted; throws with the last one and the end of the log. */
  async until(
    what: string,
    holds: (status: RegionStatus) => boolean,
    timeoutMs = 30_000,
  ): Promise<RegionStatus> {
    const deadline = performance.now() + timeoutMs;
    let last: RegionStatus | null = null;
    while (this.running && performance.now() < deadline) {
      last = await this.status();
      if (last !== null && holds(last)) return last;
      await sleep(POLL_MS);
    }
    throw new Error(
      `${this.region} ${this.running ? `is not ${what} after ${timeoutMs} ms` : 'ended'}: ${JSON.stringify(last)}\n${this.log().slice(-3_000)}`,
    );
  }

  untilRunning(timeoutMs?: number): Promise<RegionStatus> {
    return this.until('running', ({ phase }) => phase === 'running', timeoutMs);
  }

  log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, 'utf8') : '';
  }

  /** Resident memory in MiB; Linux only, else 0. */
  residentMib(): number {
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    } catch {
      return 0;
    }
  }
}
