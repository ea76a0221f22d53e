import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { DelayLine } from './delay-line.ts';

export interface LinkProxyOptions {
  readonly targetPort: number;
  /** Without it the system chooses a port. */
  readonly listenPort?: number;
  /** One-way latency, in each direction. */
  readonly delayMs?: number;
}

/** `drop`: packets vanish, nobody is told. `reset`: connections break, and new ones break at once. */
export type CutMode = 'drop' | 'reset';

export interface LinkStats {
  readonly state: 'open' | CutMode;
  readonly delayMs: number;
  /** Bytes handed on from the connecting region to the target. */
  readonly bytesForward: number;
  readonly bytesBackward: number;
  /** Connections that are open now, those in a black hole included. */
  readonly connections: number;
}

/** The network between two regions, one way: who connects here reaches the target port. */
export interface LinkProxy {
  readonly port: number;
  cut(mode: CutMode): void;
  heal(): void;
  setDelay(delayMs: number): void;
  stats(): LinkStats;
  close(): Promise<void>;
}

export async function startLinkProxy(options: LinkProxyOptions): Promise<LinkProxy> {
  const link = new Link(options.targetPort, options.delayMs ?? 0);
  await link.listen(options.listenPort ?? 0);
  return link;
}

interface Connection {
  readonly sockets: readonly Socket[];
  readonly lines: readonly DelayLine[];
}

class Link implements LinkProxy {
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #state: 'open' | CutMode = 'open';
  #delayMs: number;
  #bytesForward = 0;
  #bytesBackward = 0;

  constructor(targetPort: number, delayMs: number) {
    this.#targetPort = targetPort;
    this.#delayMs = delayMs;
    // Half-open, because one direction may end while the other still has much to say.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket);
    });
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  get port(): number {
    // A server that listens on TCP has such an address; only one on a socket file has a string.
    return (this.#server.address() as AddressInfo).port;
  }

  cut(mode: CutMode): void {
    this.#state = mode;
    if (mode === 'reset') this.#resetAll();
    for (const { lines } of this.#connections) for (const line of lines) line.stop();
  }

  /** Connections from before a drop have lost bytes, so they cannot go on: they are reset. */
  heal(): void {
    if (this.#state === 'drop') this.#resetAll();
    this.#state = 'open';
  }

  setDelay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  stats(): LinkStats {
    return {
      state: this.#state,
      delayMs: this.#delayMs,
      bytesForward: this.#bytesForward,
      bytesBackward: this.#bytesBackward,
      connections: this.#connections.size,
    };
  }

  close(): Promise<void> {
    this.#resetAll();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    if (this.#state === 'open') this.#join(client);
    else if (this.#state === 'reset') client.on('error', () => {}).resetAndDestroy();
    else this.#swallow(client);
  }

  #join(client: Socket): void {
    const port = this.#targetPort;
    const target = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const delayMs = (): number => this.#delayMs;
    const forward = new DelayLine(client, target, delayMs, (bytes) => {
      this.#bytesForward += bytes;
    });
    const backward = new DelayLine(target, client, delayMs, (bytes) => {
      this.#bytesBackward += bytes;
    });
    this.#keep({ sockets: [client, target], lines: [forward, backward] });
  }

  /** A connection into the black hole: read, so that we notice when its owner gives up on it. */
  #swallow(client: Socket): void {
    client.on('end', () => client.destroy());
    client.resume();
    this.#keep({ sockets: [client], lines: [] });
  }

  #keep(connection: Connection): void {
    const { sockets, lines } = connection;
    this.#connections.add(connection);
    for (const socket of sockets) {
      // One end broke: so does the other, unless nothing passes between them any more.
      socket.on('error', () => {
        if (this.#state !== 'drop') reset(connection);
      });
      socket.on('close', () => {
        if (!sockets.every((other) => other.destroyed)) return;
        for (const line of lines) line.stop();
        this.#connections.delete(connection);
      });
    }
  }

  #resetAll(): void {
    for (const connection of this.#connections) reset(connection);
  }
}

function reset({ sockets, lines }: Connection): void {
  for (const line of lines) line.stop();
  for (const socket of sockets) {
    // libuv refuses to reset what is being shut down, and Node then never closes the handle.
    if (socket.writableEnded) socket.destroy();
    else socket.resetAndDestroy();
  }
}
