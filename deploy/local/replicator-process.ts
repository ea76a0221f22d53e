import { appendFile, mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EverywriteError } from '#core/errors.ts';
import type { LogLevel } from '#core/ports.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { ServerProcess } from './server-process.ts';

/**
 * A replicator's garbage is mostly young, and V8's default lets it pile up: with this the peak of a large
 * backlog is half as high, for a few percent of time. deploy/bin/everywrite.mjs has the same.
 */
export const REPLICATOR_NODE_FLAGS: readonly string[] = [
  '--max-semi-space-size=16',
  '--heap-growing-percent=60',
];

const COMMAND = fileURLToPath(import.meta.resolve('../cli/main.ts'));
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 25;
const ADMIN_TIMEOUT_MS = 1_000;
/** A little more than "everywrite run" itself gives its shutdown. */
const STOP_TIMEOUT_MS = 11_000;

export interface ReplicatorProcessOptions {
  readonly configPath: string;
  readonly region: string;
  /** Its log, JSON lines, is appended here. */
  readonly logPath: string;
  readonly logLevel?: LogLevel;
}

/** One `everywrite run` as a child process. It ends with this process. */
export interface ReplicatorProcess {
  readonly region: string;
  /** `http://host:port` of /status, /metrics, /livez and /readyz. */
  readonly adminUrl: string;
  readonly logPath: string;
  readonly running: boolean;
  /** The process id; throws while it is down. */
  readonly pid: number;
  /** Starts it again; returns at once, see `untilReady`. */
  start(): Promise<void>;
  /** Waits until the region replicates; throws with the reason when it ends or takes too long. */
  untilReady(timeoutMs?: number): Promise<void>;
  /** SIGTERM; whoever does not end in time is killed, and that is an error. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Starts a region's replicator, without waiting until it replicates. */
export async function startReplicatorProcess(
  options: ReplicatorProcessOptions,
): Promise<ReplicatorProcess> {
  const config = await loadConfig(options.configPath, process.env);
  const { region, admin } = regionConfig(config, options.region);
  const replicator = new LocalReplicator(options, region, `http://${admin.host}:${admin.port}`);
  await replicator.start();
  return replicator;
}

class LocalReplicator implements ReplicatorProcess {
  readonly region: string;
  readonly adminUrl: string;
  readonly logPath: string;
  readonly #options: ReplicatorProcessOptions;
  #process: ServerProcess | undefined;

  constructor(options: ReplicatorProcessOptions, region: string, adminUrl: string) {
    this.#options = options;
    this.region = region;
    this.adminUrl = adminUrl;
    this.logPath = resolve(options.logPath);
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number {
    if (this.#process?.running) return this.#process.pid;
    throw new Error(`the replicator of ${this.region} is not running; call start() first`);
  }

  async start(): Promise<void> {
    if (this.running) return;
    const { configPath, logLevel } = this.#options;
    await mkdir(dirname(this.logPath), { recursive: true });
    await appendFile(this.logPath, '');
    const level = logLevel === undefined ? [] : ['--log-level', logLevel];
    this.#process = await ServerProcess.spawn({
      command: process.execPath,
      args: [
        ...REPLICATOR_NODE_FLAGS,
        COMMAND,
        'run',
        '--config',
        resolve(configPath),
        '--region',
        this.region,
        ...level,
      ],
      logPath: this.logPath,
      cwd: dirname(this.logPath),
      farewell: 'SIGTERM',
    });
  }

  async untilReady(timeoutMs: number = READY_TIMEOUT_MS): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await this.#isReady())) {
      const child = this.#process;
      if (child === undefined || !child.running) {
        throw failed(
          child?.lastWords('ended') ?? `the replicator of ${this.region} is not started`,
        );
      }
      if (performance.now() > deadline) throw failed(await this.#excuse(timeoutMs));
      await sleep(READY_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM');
    await this.#process?.untilEnded(STOP_TIMEOUT_MS);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async #isReady(): Promise<boolean> {
    const response = await this.#ask('/readyz');
    // A body left unread would hold its connection.
    await response?.text().catch(() => '');
    return response?.ok === true;
  }

  /** Why it does not replicate yet, in its own words. */
  async #excuse(timeoutMs: number): Promise<string> {
    const what = `The replicator of ${this.region} does not replicate after ${timeoutMs / 1000} s`;
    const status: unknown = await (await this.#ask('/status'))?.json().catch(() => undefined);
    const error = messageIn(status);
    return error === undefined ? `${what}; see ${this.logPath}` : `${what}: ${error}`;
  }

  async #ask(path: string): Promise<Response | undefined> {
    const signal = AbortSignal.timeout(ADMIN_TIMEOUT_MS);
    return fetch(`${this.adminUrl}${path}`, { signal }).catch(() => undefined);
  }
}

function messageIn(status: unknown): string | undefined {
  if (typeof status !== 'object' || status === null || !('error' in status)) return undefined;
  const { error } = status;
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return String(error.message);
}

function failed(message: string): EverywriteError {
  return new EverywriteError({ code: 'SERVER_START_FAILED', recovery: 'retry', message });
}
