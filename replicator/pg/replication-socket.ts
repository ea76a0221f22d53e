import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Client, ClientConfig } from 'pg';
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication';
import { EverywriteError } from '#core/errors.ts';
import { formatLsn, ZERO_LSN } from '#core/lsn.ts';
import type { ReplicationOptions } from '#replicator/engine/replication-port.ts';
import { readStreamFacts, startStatement } from '#replicator/pg/start-replication.ts';
import type { StreamFacts } from '#replicator/pg/start-replication.ts';

const NOT_IN_PREREQUISITE_STATE = '55000';
const GOODBYE_MS = 250;

/** What happens on the socket, in order. `onEnd` comes once, and last. */
export interface SocketEvents {
  /** A CopyData payload: a view that is overwritten by the next read. */
  onChunk(chunk: Buffer): void;
  /** All chunks of one socket read were handed over. */
  onRead(bytes: number): void;
  onEnd(cause: unknown): void;
}

/** pg's connection below its client; not in pg's types. */
interface WireConnection extends EventEmitter {
  readonly stream: Duplex;
  sendCopyFromChunk(chunk: Buffer): void;
  /** Sends Terminate. */
  end(): void;
}

/**
 * One CopyBoth session. pg-logical-replication is the socket and the handshake, nothing more: its own
 * acknowledgements, its restart position and its parser each lose data. So it gets a new service per
 * connection, never acknowledges, and its copyData listener is taken away before the stream starts.
 */
export class ReplicationSocket {
  readonly #service: LogicalReplicationService;
  readonly #plugin: TakeoverPlugin;
  #closing: Promise<void> | null = null;

  private constructor(service: LogicalReplicationService, plugin: TakeoverPlugin) {
    this.#service = service;
    this.#plugin = plugin;
  }

  /** Resolves once the server streams; rejects with what the server or the socket said. */
  static async open(
    config: ClientConfig,
    options: ReplicationOptions,
    events: SocketEvents,
  ): Promise<{ readonly socket: ReplicationSocket; readonly facts: StreamFacts }> {
    const service = new LogicalReplicationService(config, {
      acknowledge: { auto: false, timeoutSeconds: 0 },
    });
    const plugin = new TakeoverPlugin(options, events);
    const socket = new ReplicationSocket(service, plugin);
    try {
      const started = new Promise<void>((resolve, reject) => {
        service.on('start', () => resolve());
        // The first of several reports is the cause; later ones only say that the socket is gone.
        const end = (cause: unknown): void => {
          reject(cause);
          events.onEnd(cause);
        };
        service.on('error', end);
        service
          .subscribe(plugin, options.slot, formatLsn(ZERO_LSN))
          .then(() => end(new Error('the server ended the stream')), end);
      });
      await started;
      return { socket, facts: plugin.facts() };
    } catch (error) {
      await socket.close();
      throw error;
    }
  }

  get stream(): Duplex {
    return this.#plugin.connection().stream;
  }

  send(payload: Buffer): void {
    this.#plugin.connection().sendCopyFromChunk(payload);
  }

  /** Within GOODBYE_MS, whatever the server does. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const connection = this.#plugin.connectionOrNull();
    if (connection !== null) await sayGoodbye(connection);
    await this.#service.destroy();
    // `destroy` took the listeners away, and an 'error' without one would end the process.
    this.#service.on('error', () => {});
  }
}

/** Gets hold of the pg client, which the library hands to its plugin just before it starts. */
class TakeoverPlugin extends PgoutputPlugin {
  readonly #options: ReplicationOptions;
  readonly #events: SocketEvents;
  #connection: WireConnection | null = null;
  #facts: StreamFacts | null = null;

  constructor(options: ReplicationOptions, events: SocketEvents) {
    super({ protoVersion: 1, publicationNames: [options.publication] });
    this.#options = options;
    this.#events = events;
  }

  connectionOrNull(): WireConnection | null {
    return this.#connection;
  }

  connection(): WireConnection {
    if (this.#connection === null) throw new Error('replication has not started');
    return this.#connection;
  }

  facts(): StreamFacts {
    if (this.#facts === null) throw new Error('replication has not started');
    return this.#facts;
  }

  override async start(client: Client): Promise<void> {
    const { connection } = client as unknown as { readonly connection: WireConnection };
    this.#connection = connection;
    this.#facts = await readStreamFacts(client, this.#options);
    connection.removeAllListeners('copyData');
    connection.on('copyData', ({ chunk }: { readonly chunk: Buffer }) => {
      this.#events.onChunk(chunk);
    });
    // PostgreSQL 18 answers a publication that was created after the changes it decodes by leaving those
    // changes out, and a warning; before 18 it was an error, which it has to be for us.
    connection.on('notice', (notice: { readonly code?: string; readonly message?: string }) => {
      if (notice.code === NOT_IN_PREREQUISITE_STATE)
        this.#events.onEnd(publicationGap(notice.message));
    });
    // After pg's own listener, which parses the read and calls onChunk.
    connection.stream.on('data', (read: Buffer) => this.#events.onRead(read.byteLength));
    await client.query(startStatement(this.#options));
  }
}

/**
 * Reads on until the server has taken Terminate: closing with data unread resets the connection, and the
 * server may then miss the confirmation sent just before ("back to back" caught that).
 */
async function sayGoodbye(connection: WireConnection): Promise<void> {
  const { stream } = connection;
  if (stream.destroyed) return;
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  stream.once('close', resolve);
  const impatience = setTimeout(() => stream.destroy(), GOODBYE_MS);
  connection.end();
  stream.resume();
  await closed;
  clearTimeout(impatience);
}

function publicationGap(warning = 'publication skipped'): EverywriteError {
  return new EverywriteError({
    code: 'SLOT_MISSING',
    recovery: 'operator',
    message: `The server leaves out changes (${warning}): the publication is younger than they are. Prepare this region again.`,
    sqlState: NOT_IN_PREREQUISITE_STATE,
  });
}
