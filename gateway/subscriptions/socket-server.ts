import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import { Connection } from '#gateway/subscriptions/connection.ts';
import { SUBPROTOCOL } from '#gateway/subscriptions/message.ts';
import type { JsonObject } from '#gateway/subscriptions/message.ts';
import type { Authenticated, OperationRunner } from '#gateway/subscriptions/operation.ts';

export interface SocketLimits {
  readonly connectionsMax: number;
  readonly operationsMax: number;
  readonly messageBytesMax: number;
  /** Of one socket, not yet taken by its peer; beyond, its subscriptions end with SLOW_CONSUMER. */
  readonly bufferedBytesMax: number;
  readonly initTimeoutMs: number;
  /** A peer that says nothing for two of these is gone. */
  readonly pingIntervalMs: number;
}

export const SOCKET_LIMITS: SocketLimits = {
  connectionsMax: 20_000,
  operationsMax: 100,
  messageBytesMax: 1024 * 1024,
  bufferedBytesMax: 1024 * 1024,
  initTimeoutMs: 3000,
  pingIntervalMs: 5000,
};

export interface SocketServerOptions<Who> {
  readonly path: string;
  /** Pages of these origins may connect, beside those of the server's own; `*` for all. */
  readonly origins?: readonly string[];
  readonly runner: OperationRunner<Who>;
  readonly authenticate: (
    payload: JsonObject | null,
    request: IncomingMessage,
  ) => Promise<Authenticated<Who> | null>;
  readonly greeting: () => JsonObject;
  /** The cursor of whoever has everything; null while it is not known. */
  readonly released: () => string | null;
  readonly limits?: Partial<SocketLimits>;
  readonly failed: (error: unknown) => void;
}

interface Client<Who> {
  readonly socket: WebSocket;
  readonly connection: Connection<Who>;
  heard: boolean;
}

/** `graphql-transport-ws` on a path of an HTTP server. */
export class SocketServer<Who> {
  readonly #options: SocketServerOptions<Who>;
  readonly #limits: SocketLimits;
  readonly #server: WebSocketServer;
  readonly #clients = new Set<Client<Who>>();
  readonly #timer: NodeJS.Timeout;
  #draining = false;

  constructor(options: SocketServerOptions<Who>) {
    this.#options = options;
    this.#limits = { ...SOCKET_LIMITS, ...options.limits };
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: this.#limits.messageBytesMax,
      // A connection that speaks something else is told so by a close code, after the handshake.
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
      perMessageDeflate: false,
    });
    this.#timer = setInterval(() => this.#pingAll(), this.#limits.pingIntervalMs);
    this.#timer.unref();
  }

  get connections(): number {
    return this.#clients.size;
  }

  /** Takes over the upgrades of `server` on this path; others are refused. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      const path = (request.url ?? '/').split('?')[0];
      if (path !== this.#options.path) return refuse(socket, '404 Not Found');
      if (!this.#mayConnect(request)) return refuse(socket, '403 Forbidden');
      if (this.#draining) return refuse(socket, '503 Service Unavailable');
      this.#server.handleUpgrade(request, socket, head, (accepted) => {
        this.#accept(accepted, socket, request);
      });
    });
  }

  /** Closes all with 1012, spread over `withinMs`, so that they do not all come to another region at once. */
  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    const clients = [...this.#clients];
    const closing = clients.map((client, at) => {
      const ms = (withinMs * at) / clients.length;
      return new Promise<void>((resolve) => {
        setTimeout(() => {
          client.connection.close(1012, 'Service restart');
          resolve();
        }, ms);
      });
    });
    await Promise.all(closing);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#draining = true;
    for (const { connection, socket } of this.#clients) {
      connection.close(1012, 'Service restart');
      socket.terminate();
    }
    this.#server.close();
  }

  /** Browsers open sockets to any server for any page; only the server can say no. */
  #mayConnect({ headers: { origin, host } }: IncomingMessage): boolean {
    const { origins = [] } = this.#options;
    if (origin === undefined || origins.includes('*') || origins.includes(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }

  #accept(socket: WebSocket, stream: Duplex, request: IncomingMessage): void {
    if (socket.protocol !== SUBPROTOCOL) return socket.close(4406, 'Subprotocol not acceptable');
    if (this.#clients.size >= this.#limits.connectionsMax)
      return socket.close(1013, 'Try again later');
    const { operationsMax, bufferedBytesMax, initTimeoutMs } = this.#limits;
    const connection = new Connection<Who>(wireOf(socket, stream), {
      runner: this.#options.runner,
      authenticate: (payload) => this.#options.authenticate(payload, request),
      greeting: this.#options.greeting,
      operationsMax,
      bufferedBytesMax,
    });
    const client = { socket, connection, heard: true };
    this.#clients.add(client);
    const impatience = setTimeout(() => {
      if (!connection.initialised) connection.close(4408, 'Connection initialisation timeout');
    }, initTimeoutMs);
    socket.on('message', (data: RawData, isBinary: boolean) =>
      this.#message(client, data, isBinary),
    );
    socket.on('pong', () => (client.heard = true));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      clearTimeout(impatience);
      this.#clients.delete(client);
      connection.closed();
    });
  }

  #message(client: Client<Who>, data: RawData, isBinary: boolean): void {
    client.heard = true;
    if (isBinary) return client.connection.close(4400, 'Binary messages are not understood');
    const text = Buffer.isBuffer(data)
      ? data.toString()
      : Buffer.concat([data].flat().map(asBuffer)).toString();
    client.connection.received(text).catch((error: unknown) => {
      this.#options.failed(error);
      client.connection.close(4500, 'Internal server error');
    });
  }

  #pingAll(): void {
    const nowMs = Date.now();
    const released = this.#clients.size === 0 ? null : this.#options.released();
    for (const client of this.#clients) {
      const { expiresAtMs } = client.connection;
      if (expiresAtMs !== null && expiresAtMs <= nowMs) client.connection.expire();
      else if (!client.heard) client.socket.terminate();
      else {
        client.heard = false;
        client.socket.ping();
        client.connection.ping(released);
      }
    }
  }
}

function wireOf(socket: WebSocket, stream: Duplex) {
  let corked = false;
  const uncork = (): void => {
    corked = false;
    stream.uncork();
  };
  return {
    send: (message: string | Buffer) => {
      if (socket.readyState !== socket.OPEN) return;
      // What one turn of the event loop says to a peer is one write: most of a message's cost is the call.
      if (!corked) {
        corked = true;
        stream.cork();
        process.nextTick(uncork);
      }
      socket.send(message, { binary: false });
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: (code: number, reason: string) => socket.close(code, reason),
  };
}

function asBuffer(part: Buffer | ArrayBuffer): Buffer {
  return Buffer.isBuffer(part) ? part : Buffer.from(part);
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
