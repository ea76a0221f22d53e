import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ensureNatsServer, natsVersion } from './nats-binary.ts';
import { isJetStreamReady } from './nats-readiness.ts';
import { isFree } from './ports.ts';
import { ServerProcess } from './server-process.ts';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

export interface NatsOptions {
  /** Where JetStream, the generated configuration and the log live. */
  readonly storeDir: string;
  readonly port: number;
  /** The server's name, which it shows to clients and in its log. */
  readonly name: string;
  /** Write to disk before every acknowledgement; needs nats-server 2.10, see `syncAlways` below. */
  readonly syncAlways?: boolean;
  /** The largest message; the server's own default is 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** The most that all streams together may hold; the default depends on the free disk space. */
  readonly maxStoreBytes?: number;
}

/** A nats-server with JetStream on 127.0.0.1. It ends with this process. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly storeDir: string;
  readonly logPath: string;
  readonly running: boolean;
  /** The process id; throws while the server is down. */
  readonly pid: number;
  readonly version: string;
  /** Whether it really writes to disk before it acknowledges: asked for, and new enough. */
  readonly syncAlways: boolean;
  stop(): Promise<void>;
  /** SIGKILL: what JetStream has acknowledged but not synced may be gone in a power cut, not here. */
  kill(): Promise<void>;
  /** Starts it again on the same store, and waits until JetStream has recovered. */
  start(): Promise<void>;
}

export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const program = await ensureNatsServer();
  const version = await natsVersion(program);
  const server = new LocalNats(options, program, version);
  await server.start();
  return server;
}

class LocalNats implements NatsServer {
  readonly port: number;
  readonly storeDir: string;
  readonly logPath: string;
  readonly version: string;
  readonly syncAlways: boolean;
  readonly #options: NatsOptions;
  readonly #program: string;
  #process: ServerProcess | undefined;

  constructor(options: NatsOptions, program: string, version: readonly [number, number, number]) {
    const [major, minor] = version;
    this.port = options.port;
    this.storeDir = resolve(options.storeDir);
    this.logPath = join(this.storeDir, 'server.log');
    this.version = version.join('.');
    // An older server refuses a configuration with `sync_interval` in it.
    const canSync = major > 2 || (major === 2 && minor >= 10);
    this.syncAlways = canSync && (options.syncAlways ?? false);
    this.#options = options;
    this.#program = program;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number {
    if (this.#process?.running) return this.#process.pid;
    throw new Error(`the nats-server on ${this.storeDir} is not running; call start() first`);
  }

  async start(): Promise<void> {
    if (this.running) return;
    // Its own complaint would come too late: we might have found the other server ready.
    if (!(await isFree(this.port))) {
      throw new Error(`port ${this.port} is in use; stop what listens there, or choose another`);
    }
    await mkdir(this.storeDir, { recursive: true });
    const configPath = join(this.storeDir, 'nats.conf');
    await writeFile(configPath, this.#configuration());
    const started = await ServerProcess.spawn({
      command: this.#program,
      args: ['--config', configPath],
      logPath: this.logPath,
      cwd: this.storeDir,
      farewell: 'SIGTERM',
    });
    this.#process = started;
    await started.untilReady(
      () => isJetStreamReady(this.port, this.#options.name),
      START_TIMEOUT_MS,
    );
  }

  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM');
    await this.#process?.untilEnded(STOP_TIMEOUT_MS);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  #configuration(): string {
    const { name, maxPayloadBytes, maxStoreBytes } = this.#options;
    // JSON strings are NATS strings too.
    return [
      `server_name: ${JSON.stringify(name)}`,
      `listen: "127.0.0.1:${this.port}"`,
      ...(maxPayloadBytes === undefined ? [] : [`max_payload: ${maxPayloadBytes}`]),
      'jetstream {',
      `  store_dir: ${JSON.stringify(this.storeDir)}`,
      ...(maxStoreBytes === undefined ? [] : [`  max_file_store: ${maxStoreBytes}`]),
      ...(this.syncAlways ? ['  sync_interval: always'] : []),
      '}',
      '',
    ].join('\n');
  }
}
