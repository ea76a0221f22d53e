import type { RegionId } from '#core/region.ts';
import type { Caller, RandomStream } from '#sim/kernel/ports.ts';
import type { Network } from '#sim/network/network.ts';
import { Wire } from '#sim/network/wire.ts';
import { unreachable } from '#sim/nats/nats-errors.ts';
import type { RetryRange, SimNatsLimits } from '#sim/nats/nats-limits.ts';
import { NatsSession } from '#sim/nats/nats-session.ts';
import type { SimNatsServer } from '#sim/nats/nats-server.ts';

export interface LinkOptions {
  readonly client: Caller;
  /** Site of the client, and of the server. */
  readonly from: RegionId;
  readonly to: RegionId;
  readonly server: SimNatsServer;
  readonly network: Network;
  readonly random: RandomStream;
  readonly limits: SimNatsLimits;
  readonly retryMs: RetryRange;
}

const HANDSHAKE_BYTES = 500;

/** A server that a process wants to be connected to: dials, listens for life, dials again. */
export class NatsLink {
  readonly options: LinkOptions;
  readonly #waiting = new Set<() => void>();
  #session: NatsSession | null = null;
  #failures = 0;
  #closed = false;

  constructor(options: LinkOptions) {
    this.options = options;
    this.#dial();
  }

  /** The living session; null while disconnected. */
  get session(): NatsSession | null {
    return this.#session;
  }

  /** The session, waited for up to `withinMs`; null when `signal` aborts first. */
  async untilUp(withinMs: number, signal?: AbortSignal): Promise<NatsSession | null> {
    const { client, to } = this.options;
    const deadlineUs = client.nowUs() + Math.round(withinMs * 1000);
    while (signal?.aborted !== true) {
      if (this.#session !== null) return this.#session;
      const leftUs = deadlineUs - client.nowUs();
      if (leftUs <= 0 || this.#closed)
        throw unreachable(`No connection to the log of ${to} within ${withinMs} ms`);
      await this.#changeWithin(leftUs, signal);
    }
    return null;
  }

  close(): void {
    this.#closed = true;
    this.#session?.end();
    this.#wake();
  }

  #dial(): void {
    if (this.#closed) return;
    const { client, from, to, network, server, limits } = this.options;
    const there = network.path(from, to);
    const back = network.path(to, from);
    let over = false;
    const finish = (session: NatsSession | null): void => {
      if (over) return;
      over = true;
      cancel();
      if (session === null || this.#closed) this.#retry();
      else this.#serve(session);
    };
    const cancel = client.after(limits.connectTimeoutMs * 1000, () => finish(null));
    const process = server.process;
    if (process === null) {
      // Nobody listens: the machine says so.
      const answer = new Wire(back, client);
      there.send(HANDSHAKE_BYTES, () => answer.send(HANDSHAKE_BYTES, () => finish(null)));
      return;
    }
    const session = new NatsSession(this.options, process);
    session.request.send(HANDSHAKE_BYTES, () => {
      session.reply.send(HANDSHAKE_BYTES, () => finish(session));
    });
  }

  #serve(session: NatsSession): void {
    this.#failures = 0;
    this.#session = session;
    session.open(() => {
      if (this.#session === session) this.#session = null;
      this.#retry();
    });
    this.#wake();
  }

  #retry(): void {
    const { client, random, retryMs } = this.options;
    this.#failures++;
    const { min, max } = retryMs;
    const longest = Math.min(max, min * 2 ** Math.min(this.#failures - 1, 20));
    const waitMs = Math.max(min, longest * (0.5 + random.uniform() / 2));
    client.after(Math.round(waitMs * 1000), () => this.#dial());
  }

  #changeWithin(us: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#waiting.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.options.client.after(us, done);
      this.#waiting.add(done);
      signal?.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }
}
