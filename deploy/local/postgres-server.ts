import { dirname, join, resolve } from 'node:path';
import { postgresBinDir } from './postgres-binaries.ts';
import { prepareDataDir } from './postgres-data-dir.ts';
import { clearStaleLockFile, isPostmasterReady } from './postgres-lock-file.ts';
import { unprivilegedAccount } from './server-account.ts';
import { ServerProcess } from './server-process.ts';

/** Crash recovery of a large write-ahead log takes its time. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;

export type StopMode = 'fast' | 'immediate';

export interface PostgresOptions {
  /** Where the cluster lives; created by initdb when it does not exist yet. */
  readonly dataDir: string;
  readonly port: number;
  /** The bin directory of a PostgreSQL; without it, the PostgreSQL 18 that npm installed. */
  readonly binDir?: string;
  /** PostgreSQL settings, over our defaults. ALTER SYSTEM overrides both. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The superuser, who needs no password; a new cluster gets this one. */
  readonly user?: string;
}

/** A PostgreSQL server on 127.0.0.1. It ends with this process, whatever ends this process. */
export interface PostgresServer {
  readonly port: number;
  readonly dataDir: string;
  /** The server's log, beside the data directory so that no base backup carries it along. */
  readonly logPath: string;
  readonly running: boolean;
  /** The postmaster's process id; throws while the server is down. */
  readonly pid: number;
  url(database?: string): string;
  /** `fast` writes a shutdown checkpoint; `immediate` leaves the rest to crash recovery. */
  stop(mode?: StopMode): Promise<void>;
  /** SIGKILL to the postmaster and all its processes at once, as in a power cut. */
  kill(): Promise<void>;
  /** Starts it again on the same data, and waits until crash recovery is through. */
  start(): Promise<void>;
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const server = new LocalPostgres(options);
  await server.start();
  return server;
}

function defaultSettings(port: number): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    wal_level: 'logical',
    max_replication_slots: '24',
    max_wal_senders: '24',
    log_line_prefix: '%m [%p] %q%a@%d ',
  };
}

class LocalPostgres implements PostgresServer {
  readonly port: number;
  readonly dataDir: string;
  readonly logPath: string;
  readonly #options: PostgresOptions;
  readonly #user: string;
  #process: ServerProcess | undefined;

  constructor(options: PostgresOptions) {
    this.port = options.port;
    this.dataDir = resolve(options.dataDir);
    this.logPath = `${this.dataDir}.log`;
    this.#options = options;
    this.#user = options.user ?? 'postgres';
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number {
    if (this.#process?.running) return this.#process.pid;
    throw new Error(`the PostgreSQL on ${this.dataDir} is not running; call start() first`);
  }

  url(database = 'postgres'): string {
    const user = encodeURIComponent(this.#user);
    return `postgresql://${user}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  async start(): Promise<void> {
    if (this.running) return;
    const { dataDir, logPath } = this;
    const account = unprivilegedAccount();
    const binDir = await postgresBinDir(this.#options.binDir, account);
    const settings = { ...defaultSettings(this.port), ...this.#options.settings };
    await prepareDataDir({ dataDir, binDir, user: this.#user, account, settings });
    clearStaleLockFile(dataDir);
    const postmaster = await ServerProcess.spawn({
      command: join(binDir, 'postgres'),
      args: ['-D', dataDir],
      logPath,
      cwd: dirname(dataDir),
      account,
      // An immediate shutdown: the postmaster ends its children itself, and waits for nobody.
      farewell: 'SIGQUIT',
    });
    this.#process = postmaster;
    await postmaster.untilReady(
      async () => isPostmasterReady(dataDir, postmaster.pid),
      START_TIMEOUT_MS,
    );
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    this.#process?.signal(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await this.#process?.untilEnded(STOP_TIMEOUT_MS);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }
}
