import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { PermissionViolationError } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

/**
 * One connection from its handshake to its end; it is never mended. Whoever depends on it is told of
 * the end and starts again on the next session, so that nothing of an old connection is sent later.
 */
export class Session {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly serverVersion: string;
  readonly maxPayload: number;
  readonly #listeners = new Set<() => void>();
  readonly #denials = new Set<(subject: string, error: Error) => void>();
  #ended = false;

  private constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.connection = connection;
    this.manager = manager;
    this.serverVersion = connection.info?.version ?? '0.0.0';
    this.maxPayload = connection.info?.max_payload ?? 0;
    void this.#watchDenials();
  }

  static async on(connection: NatsConnection, requestTimeoutMs: number): Promise<Session> {
    const options = { checkAPI: false, timeout: requestTimeoutMs };
    return new Session(connection, await jetstreamManager(connection, options));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Calls `listener` once, at the end or now if that is past; returns how to forget it. */
  onEnd(listener: () => void): () => void {
    if (this.#ended) listener();
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The server refuses a publish without a word to its reply subject: only the connection is told. */
  onDenied(listener: (subject: string, error: Error) => void): () => void {
    this.#denials.add(listener);
    return () => this.#denials.delete(listener);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  async #watchDenials(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError)) continue;
      for (const listener of this.#denials) listener(status.error.subject, status.error);
    }
  }
}
