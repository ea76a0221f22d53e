import type { SimProcess } from '#sim/kernel/sim-process.ts';
import type { Caller } from '#sim/kernel/ports.ts';
import { refused, unreachable } from '#sim/nats/nats-errors.ts';
import type { Refusal } from '#sim/nats/nats-errors.ts';
import type { LinkOptions } from '#sim/nats/nats-link.ts';
import type { SimNatsServer } from '#sim/nats/nats-server.ts';
import { Wire } from '#sim/network/wire.ts';

const PINGS_MISSED_MAX = 2;
const PING_BYTES = 10;
const REQUEST_BYTES = 200;

/** The answer of a server, or why it refused; null: it does not answer. */
export type Served<Reply> = { readonly reply: Reply; readonly bytes: number } | Refusal | null;

/** One connection. It ends once: by us, by the server's death, or when the server has gone silent. */
export class NatsSession {
  readonly request: Wire;
  readonly reply: Wire;
  readonly server: SimNatsServer;
  readonly client: Caller;
  /** Of the server when this connection was opened: a restarted one knows nothing of it. */
  readonly process: SimProcess;
  readonly #options: LinkOptions;
  readonly #enders = new Set<() => void>();
  #ended = false;
  #answered = true;
  #heard = 0;
  #heardAtPing = 0;
  #missed = 0;

  constructor(options: LinkOptions, process: SimProcess) {
    const { network, from, to, client, server } = options;
    this.#options = options;
    this.server = server;
    this.client = client;
    this.process = process;
    this.request = new Wire(network.path(from, to), process);
    this.reply = new Wire(network.path(to, from), client);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** From now on it is watched; `over` is called when it ends. */
  open(over: () => void): void {
    this.onEnd(over);
    const { from, to, network } = this.#options;
    // The server's kernel says that the connection is gone, if the way is open.
    const reset = new Wire(network.path(to, from), this.client);
    const forget = this.server.onReset(() => reset.send(PING_BYTES, () => this.end()));
    this.onEnd(forget);
    // It may have died while the handshake was on its way.
    if (this.process.alive) this.#ping();
    else this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const enders = [...this.#enders];
    this.#enders.clear();
    for (const ender of enders) ender();
  }

  /** Called once, at the end. Returns how to take it back. */
  onEnd(run: () => void): () => void {
    this.#enders.add(run);
    return () => this.#enders.delete(run);
  }

  /** Something arrived: a sign of life. False when the connection is over and it must be ignored. */
  heard(): boolean {
    this.#heard++;
    return !this.#ended;
  }

  /** One request of the API, with its port call numbered for the sweep. */
  async ask<Reply>(label: string, stream: string, serve: () => Served<Reply>): Promise<Reply> {
    const { limits } = this.#options;
    return this.client.ask<Reply>(label, 0, (answer) => {
      const cancel = this.client.after(limits.requestTimeoutMs * 1000, () =>
        answer.reject(unreachable(`${stream}: no answer to ${label}`), 0),
      );
      const forget = this.onEnd(() => {
        cancel();
        answer.reject(unreachable(`${stream}: the connection ended`), 0);
      });
      const done = (settle: () => void): void => {
        if (!this.heard()) return;
        cancel();
        forget();
        settle();
      };
      this.request.send(REQUEST_BYTES, () => {
        const served = this.server.hasLeader ? serve() : 'unavailable';
        if (served === null) return;
        const bytes = typeof served === 'string' ? PING_BYTES : served.bytes;
        this.reply.send(bytes, () =>
          done(() => {
            if (typeof served === 'string') answer.reject(refused(served, stream), 0);
            else answer.resolve(served.reply, 0);
          }),
        );
      });
    });
  }

  #ping(): void {
    if (this.#ended) return;
    this.client.after(this.#options.limits.pingMs * 1000, () => {
      if (this.#ended) return;
      this.#missed = this.#answered || this.#heard !== this.#heardAtPing ? 0 : this.#missed + 1;
      this.#heardAtPing = this.#heard;
      if (this.#missed === PINGS_MISSED_MAX) return this.end();
      if (this.#answered) {
        this.#answered = false;
        this.request.send(PING_BYTES, () =>
          this.reply.send(PING_BYTES, () => {
            this.#answered = true;
          }),
        );
      }
      return this.#ping();
    });
  }
}
