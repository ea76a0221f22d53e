import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import type { JsonObject, OperationRequest } from '#gateway/subscriptions/message.ts';
import type { OperationSink } from '#gateway/subscriptions/operation.ts';
import { SocketServer } from '#gateway/subscriptions/socket-server.ts';
import type { SocketLimits } from '#gateway/subscriptions/socket-server.ts';

/** What the fixture's runner was asked, and how to answer. */
export interface Asked {
  readonly request: OperationRequest;
  readonly who: string;
  readonly sink: OperationSink;
  cancelled: boolean;
}

/** A socket server whose operations the test answers by hand. */
export class SocketFixture {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly sockets: SocketServer<string>;
  readonly #close: () => void;

  private constructor(url: string, sockets: SocketServer<string>, close: () => void) {
    this.url = url;
    this.sockets = sockets;
    this.#close = close;
  }

  static async start(limits: Partial<SocketLimits> = {}): Promise<SocketFixture> {
    const server = createServer();
    const holder: { fixture?: SocketFixture } = {};
    const sockets = new SocketServer<string>({
      path: '/graphql',
      limits,
      released: () => '1~eu.1:9',
      greeting: () => ({ region: 'eu' }),
      failed: () => undefined,
      authenticate: (payload) => Promise.resolve(whoIs(payload)),
      runner: {
        start: (request, who, sink) => {
          const asked: Asked = { request, who, sink, cancelled: false };
          holder.fixture?.asked.push(asked);
          return { cursor: () => null, cancel: () => void (asked.cancelled = true) };
        },
      },
    });
    sockets.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    holder.fixture = new SocketFixture(`ws://127.0.0.1:${port}/graphql`, sockets, () => {
      sockets.close();
      server.close();
      server.closeAllConnections();
    });
    return holder.fixture;
  }

  close(): void {
    this.#close();
  }
}

function whoIs(payload: JsonObject | null) {
  if (payload?.['token'] === 'wrong') return null;
  const { token, expiresInMs } = payload ?? {};
  return {
    who: typeof token === 'string' ? token : 'anonymous',
    expiresAtMs: typeof expiresInMs === 'number' ? Date.now() + expiresInMs : null,
  };
}

/** A client that speaks raw messages. */
export class RawClient {
  readonly socket: WebSocket;
  readonly messages: unknown[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #wake: () => void = () => undefined;
  #read = 0;

  constructor(url: string, protocol: string | string[] = 'graphql-transport-ws', origin?: string) {
    this.socket = new WebSocket(url, protocol, origin === undefined ? {} : { origin });
    this.socket.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on('error', () => undefined);
  }

  async open(): Promise<this> {
    if (this.socket.readyState === this.socket.OPEN) return this;
    await new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    return this;
  }

  async acknowledged(payload?: JsonObject): Promise<this> {
    await this.open();
    this.send({ type: 'connection_init', ...(payload === undefined ? {} : { payload }) });
    await this.next();
    return this;
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async next(): Promise<unknown> {
    while (this.#read >= this.messages.length) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.messages[this.#read++];
  }
}
