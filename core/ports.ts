/** What the deterministic engine may ask of the world besides its database and log. */

export interface Clock {
  /** Microseconds since the Unix epoch; may jump. For display and commit-lag measurement only. */
  wallUs(): number;
  /** Milliseconds that never go back; for timeouts and rates. */
  monotonicMs(): number;
}

export interface Timers {
  /**
   * Resolves after `ms`, or at once when `signal` aborts (it does not reject). After 0 ms: once everything
   * else that could go on now has had a turn.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` every `ms` until the returned function is called. */
  every(ms: number, run: () => void): () => void;
}

export interface Random {
  /** An unsigned 32-bit integer. */
  u32(): number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  log(level: LogLevel, event: string, fields?: Readonly<Record<string, unknown>>): void;
}
