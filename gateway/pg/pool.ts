import { PgConnection } from '#gateway/pg/connection.ts';
import type { ConnectionOptions } from '#gateway/pg/connection.ts';
import type { FlightPlan, FlightResult } from '#gateway/pg/flight.ts';
import { GatewayError } from '#gateway/errors.ts';

export interface PoolOptions extends ConnectionOptions {
  readonly maxConnections: number;
  /** Requests that may wait for a connection; more are refused at once. */
  readonly maxWaiting: number;
  readonly waitTimeoutMs: number;
}

interface Waiter {
  readonly take: (connection: PgConnection) => void;
  readonly fail: (error: unknown) => void;
}

/** Connections of the gateway's own role; never shared with the replicator, which sees every row. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #idle: PgConnection[] = [];
  readonly #waiting: Waiter[] = [];
  #open = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#open - this.#idle.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sends the flight on a free connection. When `signal` fires, the server is told to cancel it. */
  async fly(plan: FlightPlan, signal?: AbortSignal): Promise<FlightResult> {
    signal?.throwIfAborted();
    const connection = await this.#take();
    const cancel = (): void => void this.#cancel(connection).catch(() => {});
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await connection.fly(plan);
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#give(connection);
    }
  }

  /** Every connection forgets what it prepared: after DDL, plans may no longer fit. */
  renew(): void {
    for (const connection of this.#idle.splice(0)) {
      this.#open -= 1;
      void connection.end();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.fail(unavailable('it is closing'));
    await Promise.all(this.#idle.splice(0).map((connection) => connection.end()));
  }

  async #cancel(connection: PgConnection): Promise<void> {
    const values = [String(connection.processId)];
    const own = await PgConnection.connect(this.#options);
    try {
      await own.fly({
        transaction: [{ text: 'SELECT pg_cancel_backend($1::int4)', values }],
        afterCommit: [],
      });
    } finally {
      await own.end();
    }
  }

  async #take(): Promise<PgConnection> {
    if (this.#closed) throw unavailable('it is closing');
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.lost) return idle;
      this.#open -= 1;
    }
    if (this.#open < this.#options.maxConnections) return this.#dial();
    if (this.#waiting.length >= this.#options.maxWaiting) {
      throw overloaded('too many requests wait for the database');
    }
    return this.#wait();
  }

  async #dial(): Promise<PgConnection> {
    this.#open += 1;
    try {
      return await PgConnection.connect(this.#options);
    } catch (cause) {
      this.#open -= 1;
      throw unavailable('it does not answer', cause);
    }
  }

  #wait(): Promise<PgConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<PgConnection>();
    const { waitTimeoutMs } = this.#options;
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      reject(overloaded(`no connection was free for ${waitTimeoutMs} ms`));
    }, waitTimeoutMs);
    const waiter: Waiter = {
      take: (connection) => {
        clearTimeout(timer);
        resolve(connection);
      },
      fail: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    };
    this.#waiting.push(waiter);
    return promise;
  }

  #give(connection: PgConnection): void {
    if (connection.lost || this.#closed) {
      this.#open -= 1;
      void connection.end();
      this.#replace();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(connection);
    else next.take(connection);
  }

  /** Somebody waits for the place that a lost connection has left. */
  #replace(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#dial().then(next.take, next.fail);
  }
}

function unavailable(why: string, cause?: unknown): GatewayError {
  return new GatewayError({
    code: 'DATABASE_UNAVAILABLE',
    message: `The database of this region cannot be asked: ${why}.`,
    status: 503,
    retryable: true,
    cause,
  });
}

function overloaded(why: string): GatewayError {
  return new GatewayError({
    code: 'OVERLOADED',
    message: `This gateway is busy: ${why}. Try again later.`,
    status: 503,
    retryable: true,
  });
}
