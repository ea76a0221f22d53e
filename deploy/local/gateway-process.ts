import { appendFile, mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EverywriteError } from '#core/errors.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { ServerProcess } from './server-process.ts';

const COMMAND = fileURLToPath(import.meta.resolve('../cli/main.ts'));
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 25;
const ASK_TIMEOUT_MS = 1_000;
/** A little more than "everywrite gateway" itself gives its shutdown. */
const STOP_TIMEOUT_MS = 11_000;

export interface GatewayProcessOptions {
  readonly configPath: string;
  readonly region: string;
  /** Its log, JSON lines, is appended here. */
  readonly logPath: string;
}

/** One `everywrite gateway` as a child process. It ends with this process. */
export class GatewayProcess {
  readonly region: string;
  /** `http://host:port/graphql`. */
  readonly url: string;
  readonly #options: GatewayProcessOptions;
  #process: ServerProcess | undefined;

  private constructor(options: GatewayProcessOptions, url: string) {
    this.#options = options;
    this.region = options.region;
    this.url = url;
  }

  /** Starts it without waiting until it answers. */
  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    const config = await loadConfig(options.configPath, process.env);
    const { gateway } = regionConfig(config, options.region);
    const started = new GatewayProcess(options, `http://${gateway.host}:${gateway.port}/graphql`);
    await started.start();
    return started;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** The process id; throws while it is down. */
  get pid(): number {
    if (this.#process?.running) return this.#process.pid;
    throw new Error(`the gateway of ${this.region} is not running; call start() first`);
  }

  async start(): Promise<void> {
    if (this.running) return;
    const logPath = resolve(this.#options.logPath);
    await mkdir(dirname(logPath), { recursive: true });
    await appendFile(logPath, '');
    const config = resolve(this.#options.configPath);
    this.#process = await ServerProcess.spawn({
      command: process.execPath,
      args: [COMMAND, 'gateway', '--config', config, '--region', this.region],
      logPath,
      cwd: dirname(logPath),
      farewell: 'SIGTERM',
    });
  }

  /** Waits until it answers a query; throws with the reason when it ends or takes too long. */
  async untilReady(timeoutMs: number = READY_TIMEOUT_MS): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await this.#answers())) {
      const child = this.#process;
      if (child === undefined || !child.running) {
        throw failed(child?.lastWords('ended') ?? `the gateway of ${this.region} is not started`);
      }
      if (performance.now() > deadline) {
        const what = `The gateway of ${this.region} does not answer after ${timeoutMs / 1000} s`;
        throw failed(`${what}; see ${this.#options.logPath}`);
      }
      await sleep(READY_POLL_MS);
    }
  }

  /** SIGTERM; whoever does not end in time is killed, and that is an error. */
  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM');
    await this.#process?.untilEnded(STOP_TIMEOUT_MS);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async #answers(): Promise<boolean> {
    const response = await fetch(`${this.url}?query=%7B__typename%7D`, {
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    }).catch(() => undefined);
    // A body left unread would hold its connection.
    await response?.text().catch(() => '');
    return response?.ok === true;
  }
}

function failed(message: string): EverywriteError {
  return new EverywriteError({ code: 'SERVER_START_FAILED', recovery: 'retry', message });
}
