import { EverywriteError } from '#core/errors.ts';
import { UNREACHABLE } from '#replicator/engine/sql-state.ts';
import type { Scheduler } from '#sim/kernel/ports.ts';
import type { Wire } from '#sim/pg/wire.ts';

/** What the server knows of one connection. */
export interface ServerEnd {
  /** The client is gone, or the line is. */
  hungUp(): void;
}

/**
 * One connection. What arrives at the client does so on its own scheduler, so that a process that was
 * killed never hears it; what it had sent goes on.
 */
export class Connection {
  readonly #wire: Wire;
  readonly #client: Scheduler;
  readonly #forget: (connection: Connection) => void;
  #server: ServerEnd | null = null;
  #clientGone = false;
  #serverGone = false;
  #brokenBy: string | null = null;
  readonly #listeners = new Set<(error: EverywriteError) => void>();

  constructor(wire: Wire, client: Scheduler, forget: (connection: Connection) => void) {
    this.#wire = wire;
    this.#client = client;
    this.#forget = forget;
  }

  /** Why it cannot be used any more. */
  get broken(): EverywriteError | null {
    return this.#brokenBy === null ? null : unreachableBy(this.#brokenBy);
  }

  accepted(server: ServerEnd): void {
    this.#server = server;
    if (this.#clientGone) this.#hangUp();
  }

  toServer(run: () => void): void {
    this.#wire.toServer(() => {
      if (!this.#serverGone) run();
    });
  }

  toClient(run: () => void): void {
    this.#wire.toClient(() => {
      if (this.#brokenBy === null) run();
    });
  }

  /** Rejects with what breaks the connection, if it breaks before `ask` has answered. */
  async answer<Result>(ask: (answered: (result: Result) => void) => void): Promise<Result> {
    const { broken } = this;
    if (broken !== null) throw broken;
    return new Promise<Result>((resolve, reject) => {
      const fail = (error: EverywriteError): void => reject(error);
      this.#listeners.add(fail);
      ask((result) => {
        this.#listeners.delete(fail);
        resolve(result);
      });
    });
  }

  onBroken(listener: (error: EverywriteError) => void): void {
    this.#listeners.add(listener);
  }

  /** The client closes it or dies: the server finds out behind what was sent before. */
  closeFromClient(why: string): void {
    if (this.#clientGone) return;
    this.#clientGone = true;
    this.#break(why);
    this.#wire.toServer(() => this.#hangUp());
  }

  /** The server is gone, and its machine says so. */
  closeFromServer(why: string): void {
    this.#serverGone = true;
    this.#forget(this);
    this.#wire.toClient(() => this.#break(why));
  }

  /** The line breaks for both. */
  cut(why: string): void {
    this.#client.after(0, () => {
      this.#clientGone = true;
      this.#break(why);
    });
    this.#hangUp();
  }

  /** The machine of the server is gone without a word: nothing is ever answered. */
  vanish(): void {
    this.#serverGone = true;
    this.#server = null;
  }

  #hangUp(): void {
    if (this.#serverGone) return;
    const server = this.#server;
    if (server === null) return;
    this.#serverGone = true;
    this.#forget(this);
    server.hungUp();
  }

  #break(why: string): void {
    if (this.#brokenBy !== null) return;
    this.#brokenBy = why;
    if (this.#listeners.size === 0) return;
    const error = unreachableBy(why);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener(error);
  }
}

function unreachableBy(why: string): EverywriteError {
  const message = `The connection to PostgreSQL broke: ${why}.`;
  return new EverywriteError({ ...UNREACHABLE, message });
}
