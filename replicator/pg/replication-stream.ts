import { EverywriteError } from '#core/errors.ts';
import type { Lsn } from '#core/lsn.ts';
import type {
  ReplicationFrame,
  ReplicationOptions,
  ReplicationSource,
  ReplicationStream,
} from '#replicator/engine/replication-port.ts';
import { Acker } from '#replicator/pg/acker.ts';
import { pinnedConnection } from '#replicator/pg/connection-settings.ts';
import { readCopyFrame } from '#replicator/pg/copy-framing.ts';
import { FrameQueue } from '#replicator/pg/frame-queue.ts';
import { InboundWatchdog, Patience, beatIntervalMs } from '#replicator/pg/inbound-watchdog.ts';
import { promptlyPausingSocket, ReadGate } from '#replicator/pg/read-gate.ts';
import { replicationError } from '#replicator/pg/replication-errors.ts';
import { ReplicationSocket } from '#replicator/pg/replication-socket.ts';
import type { SocketEvents } from '#replicator/pg/replication-socket.ts';
import type { StreamFacts } from '#replicator/pg/start-replication.ts';

const DEFAULT_MAX_HELD_BYTES = 8 * 1024 * 1024;
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const TCP_KEEPALIVE_MS = 30_000;

export interface PgReplicationSourceOptions {
  readonly url: string;
  /** Shown in pg_stat_replication. */
  readonly applicationName: string;
  /** What may wait for the consumer before we stop reading from the server. */
  readonly maxHeldBytes?: number;
  readonly connectTimeoutMs?: number;
}

/** Logical replication from one PostgreSQL. Every start is a new connection. */
export class PgReplicationSource implements ReplicationSource {
  readonly #options: PgReplicationSourceOptions;
  readonly #patience = new Patience();

  constructor(options: PgReplicationSourceOptions) {
    this.#options = options;
  }

  async start(options: ReplicationOptions): Promise<ReplicationStream> {
    const { url, applicationName, maxHeldBytes, connectTimeoutMs } = this.#options;
    const inbox = new Inbox(maxHeldBytes ?? DEFAULT_MAX_HELD_BYTES, (cause) =>
      replicationError(cause, { url, slot: options.slot }),
    );
    const config = {
      // Warnings must reach us: one of them means lost changes (replication-socket.ts).
      ...pinnedConnection(url, applicationName, { client_min_messages: 'warning' }),
      connectionTimeoutMillis: connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: TCP_KEEPALIVE_MS,
      stream: promptlyPausingSocket,
    };
    try {
      const { socket, facts } = await ReplicationSocket.open(config, options, inbox);
      return new PgReplicationStream(socket, inbox, facts, this.#patience);
    } catch (error) {
      throw replicationError(error, { url, slot: options.slot });
    }
  }
}

/** What came in, and the consumer that waits for it. */
class Inbox implements SocketEvents {
  readonly queue = new FrameQueue();
  readonly #maxHeldBytes: number;
  readonly #describe: (cause: unknown) => EverywriteError;
  #gate: ReadGate | null = null;
  #onInbound: (replyRequested: boolean) => void = () => {};
  #replyOwed = false;
  #wake: (() => void) | null = null;
  #end: { readonly error: EverywriteError | null } | null = null;

  constructor(maxHeldBytes: number, describe: (cause: unknown) => EverywriteError) {
    this.#maxHeldBytes = maxHeldBytes;
    this.#describe = describe;
  }

  attach(gate: ReadGate, onInbound: (replyRequested: boolean) => void): void {
    this.#gate = gate;
    this.#onInbound = onInbound;
  }

  onChunk(chunk: Buffer): void {
    if (this.#end !== null) return;
    try {
      const frame = readCopyFrame(chunk);
      if (frame.kind === 'data') this.queue.pushData(frame.walStart, chunk, frame.messageAt);
      else this.queue.pushKeepalive(frame.walEnd);
      this.#replyOwed ||= frame.kind === 'keepalive' && frame.replyRequested;
    } catch (error) {
      // Thrown here it would be an uncaught exception of the socket's.
      this.onEnd(error);
    }
  }

  onRead(bytes: number): void {
    this.#gate?.afterRead(bytes);
    if (this.queue.heldBytes >= this.#maxHeldBytes) this.#gate?.setFull(true);
    this.#onInbound(this.#replyOwed);
    this.#replyOwed = false;
    if (!this.queue.isEmpty) this.#awaken();
  }

  onEnd(cause: unknown): void {
    this.end(this.#describe(cause));
  }

  /** The first end counts. What arrived before it is still handed over. */
  end(error: EverywriteError | null): void {
    this.#end ??= { error };
    this.#awaken();
  }

  async next(): Promise<IteratorResult<readonly ReplicationFrame[], undefined>> {
    while (this.queue.isEmpty && this.#end === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#end?.error === null) return { done: true, value: undefined };
    if (this.#end !== null && this.queue.isEmpty) throw this.#end.error;
    const value = this.queue.take();
    this.#gate?.setFull(false);
    return { done: false, value };
  }

  #awaken(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

class PgReplicationStream implements ReplicationStream {
  readonly #socket: ReplicationSocket;
  readonly #inbox: Inbox;
  readonly #gate: ReadGate;
  readonly #acker: Acker;
  readonly #watchdog: InboundWatchdog;
  readonly #beats: NodeJS.Timeout;

  constructor(socket: ReplicationSocket, inbox: Inbox, facts: StreamFacts, patience: Patience) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.#gate = new ReadGate(socket.stream);
    this.#acker = new Acker(facts.confirmedFlushLsn, (update) => socket.send(update));
    this.#watchdog = new InboundWatchdog(patience, facts.walSenderTimeoutMs);
    this.#beats = setInterval(() => this.#beat(), beatIntervalMs(facts.walSenderTimeoutMs));
    inbox.attach(this.#gate, (replyRequested) => {
      this.#watchdog.heard();
      if (replyRequested) this.#acker.beat(false);
    });
  }

  confirm(endLsn: Lsn): void {
    this.#acker.confirm(endLsn);
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly ReplicationFrame[], undefined> {
    return { next: () => this.#inbox.next() };
  }

  async close(): Promise<void> {
    clearInterval(this.#beats);
    this.#acker.close();
    this.#gate.close();
    this.#inbox.end(null);
    await this.#socket.close();
  }

  #beat(): void {
    this.#acker.beat(true);
    const listening = !this.#gate.isFull && this.#inbox.queue.isEmpty;
    if (!this.#watchdog.isDead(listening)) return;
    clearInterval(this.#beats);
    this.#inbox.end(
      new EverywriteError({
        code: 'DATABASE_UNREACHABLE',
        recovery: 'retry',
        message:
          'The server has not answered for longer than wal_sender_timeout; connecting again.',
      }),
    );
  }
}
