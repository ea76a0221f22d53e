import { setTimeout as sleep } from 'node:timers/promises';
import { TimeoutError, connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '#core/ports.ts';
import type { NatsAccess, RetryRange } from './config.ts';
import { watchLiveness } from './liveness.ts';
import { unreachable } from './log-errors.ts';
import { parseServerAddress, someServerAnswers } from './server-address.ts';
import type { ServerAddress } from './server-address.ts';
import { Session } from './session.ts';

export interface LinkOptions {
  /** Who is at the other end, for logs and errors: `local` or a region. */
  readonly name: string;
  readonly url: string;
  readonly access: NatsAccess;
  readonly inboxPrefix: string;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly pingMs: number;
  readonly retryMs: RetryRange;
  readonly logger?: Logger | undefined;
}

/**
 * A server that we want to be connected to, until `close`. The client's own reconnecting is off: it
 * keeps and sends later what was published in between, and hangs on a black hole (see liveness.ts).
 */
export class NatsLink {
  readonly #options: LinkOptions;
  readonly #address: ServerAddress;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #running: Promise<void>;
  #session: Session | null = null;
  #lastError: unknown;
  #timedOut = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#address = parseServerAddress(options.url);
    this.#running = this.#run();
  }

  get name(): string {
    return this.#options.name;
  }

  /** The living session; null while disconnected. */
  get session(): Session | null {
    return this.#session;
  }

  /** The session, waited for up to `withinMs`; null when `signal` aborts first. */
  async untilUp(withinMs: number, signal?: AbortSignal): Promise<Session | null> {
    const deadline = performance.now() + withinMs;
    while (signal?.aborted !== true) {
      if (this.#session !== null) return this.#session;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#stop.signal.aborted) throw this.#unreachable(withinMs);
      await this.#changeWithin(leftMs, signal);
    }
    return null;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    const session = this.#session;
    this.#session = null;
    session?.end();
    await session?.connection.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const connection = await this.#dial();
        failures = 0;
        await this.#serve(connection);
      } catch (error) {
        if (failures === 0) this.#log('warn', 'nats.connect_failed', { error: String(error) });
        this.#lastError = error;
      }
      failures += 1;
      await sleep(retryWaitMs(failures, this.#options.retryMs), undefined, { signal }).catch(
        () => {},
      );
    }
  }

  async #dial(): Promise<NatsConnection> {
    const { access, connectTimeoutMs: timeout, inboxPrefix, name } = this.#options;
    const { servers, ...credentials } = this.#address;
    if (this.#timedOut) {
      const expect = access.tls?.handshakeFirst === true ? 'connection' : 'info';
      const answers = await someServerAnswers(servers, { withinMs: timeout, expect });
      if (!answers) throw new Error('the server does not answer');
    }
    try {
      const connection = await connect({
        ...access,
        ...credentials,
        servers: [...servers],
        name: `everywrite ${name}`,
        inboxPrefix,
        timeout,
        reconnect: false,
        pingInterval: 2 ** 30,
        noAsyncTraces: true,
      });
      this.#timedOut = false;
      return connection;
    } catch (error) {
      this.#timedOut = error instanceof TimeoutError;
      throw error;
    }
  }

  async #serve(connection: NatsConnection): Promise<void> {
    const session = await Session.on(connection, this.#options.requestTimeoutMs);
    const drop = (): void => {
      if (this.#session === session) this.#session = null;
      session.end();
    };
    const unwatch = watchLiveness(connection, this.#options.pingMs, () => {
      this.#lastError = new Error('the connection went silent');
      drop();
      void connection.close();
    });
    if (this.#stop.signal.aborted) void connection.close();
    else this.#session = session;
    this.#log('info', 'nats.connected', { version: session.serverVersion });
    this.#wake();
    try {
      const error = await connection.closed();
      if (error instanceof Error) this.#lastError = error;
    } finally {
      unwatch();
      drop();
      this.#log('warn', 'nats.disconnected', { error: String(this.#lastError) });
    }
  }

  #changeWithin(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
      signal?.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }

  #unreachable(withinMs: number): Error {
    const { name } = this.#options;
    const where = this.#address.servers.join(', ');
    const why = this.#lastError instanceof Error ? this.#lastError.message : 'not yet connected';
    const message = `No connection to the NATS server of ${name} (${where}) within ${withinMs} ms: ${why}.`;
    return unreachable(message, this.#lastError);
  }

  #log(level: 'info' | 'warn', event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.logger?.log(level, event, { link: this.#options.name, ...fields });
  }
}

function retryWaitMs(failures: number, { min, max }: RetryRange): number {
  const longest = Math.min(max, min * 2 ** Math.min(failures - 1, 20));
  return Math.max(min, longest * (0.5 + Math.random() / 2));
}
