import type { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogBounds, LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { SimTimers } from '#sim/clock/sim-timers.ts';
import { AppendPipeline } from '#sim/nats/append-pipeline.ts';
import { gap, rewound, unreachable } from '#sim/nats/nats-errors.ts';
import type { NatsLink } from '#sim/nats/nats-link.ts';
import type { NatsSession, Served } from '#sim/nats/nats-session.ts';
import type { SimNatsServer } from '#sim/nats/nats-server.ts';
import { StreamConsumer } from '#sim/nats/stream-consumer.ts';
import type { KnownEntry } from '#sim/nats/stream-consumer.ts';
import type { StoredEntry, StoredStream } from '#sim/nats/stored-stream.ts';

export interface SimLogStreamOptions {
  readonly link: NatsLink;
  readonly origin: RegionId;
  readonly patienceMs: number;
  /** A part of a message id that nobody else has. */
  readonly nextId: () => string;
}

interface Cursor {
  next: number;
  known: KnownEntry | null;
  /** Which stream of this name was read. */
  created: number | null;
}

interface Opened {
  readonly bounds: LogBounds;
  readonly created: number;
}

const ANSWER_BYTES = 300;

/** One origin's stream over one connection after the other; behaves as replicator/nats/log-stream.ts. */
export class SimLogStream implements LogStream {
  readonly #options: SimLogStreamOptions;
  readonly #name: string;
  readonly #timers: SimTimers;
  #pipeline: AppendPipeline | null = null;
  /** The first append that failed since the caller last looked at the stream. */
  #failed: { readonly error: EverywriteError; readonly expectedLast: number } | null = null;

  constructor(options: SimLogStreamOptions) {
    const { server, client } = options.link.options;
    this.#options = options;
    this.#name = `${server.name}/${options.origin}`;
    this.#timers = new SimTimers(client);
  }

  bounds(): Promise<LogBounds> {
    return this.#ask('log.bounds', (stream) => ({ reply: stream.bounds(), bytes: ANSWER_BYTES }));
  }

  lastEntry(): Promise<LogEntry | null> {
    this.#failed = null;
    return this.#ask('log.last', (stream) => answer(stream.lastEntry()));
  }

  entryAt(position: number): Promise<LogEntry | null> {
    return this.#ask('log.entry', (stream) => answer(stream.at(position)));
  }

  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    const failed = this.#failed;
    if (failed !== null && expectedLast > failed.expectedLast) return Promise.reject(failed.error);
    this.#failed = null;
    const { session } = this.#options.link;
    if (session === null) {
      const error = unreachable(`${this.#name}: no connection`);
      this.#failed = { error, expectedLast };
      return Promise.reject(error);
    }
    if (this.#pipeline?.session !== session) this.#pipeline = this.#pipelineOn(session);
    return this.#pipeline.append(frame, expectedLast);
  }

  async *read(position: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    const cursor: Cursor = { next: position, known: null, created: null };
    while (!signal.aborted) {
      const consumer = await this.#openPatiently(cursor, signal);
      if (consumer === null) return;
      const before = cursor.next;
      try {
        for (;;) {
          const entries = await consumer.take(signal);
          const last = entries?.at(-1);
          if (entries === null || last === undefined) break;
          cursor.known = { position: last.position, storedAtUs: last.storedAtUs };
          cursor.next = last.position + 1;
          yield entries;
        }
      } finally {
        consumer.close();
      }
      if (consumer.failure !== null) throw consumer.failure;
      if (cursor.next === before) await this.#reopenWait(signal);
    }
  }

  async trim(position: number): Promise<void> {
    const { server } = this.#options.link.options;
    await this.#ask('log.trim', () => {
      const refusal = server.purge(this.#options.origin, position);
      return refusal ?? { reply: true, bytes: ANSWER_BYTES };
    });
  }

  #pipelineOn(session: NatsSession): AppendPipeline {
    const { origin, nextId, link } = this.#options;
    return new AppendPipeline({
      session,
      origin,
      stream: this.#name,
      id: nextId(),
      ackTimeoutMs: link.options.limits.ackTimeoutMs,
      onFailure: (error, expectedLast) => {
        this.#failed ??= { error, expectedLast };
      },
    });
  }

  async #ask<Reply>(label: string, serve: (stream: StoredStream) => Served<Reply>): Promise<Reply> {
    const { link } = this.#options;
    const session = await link.untilUp(link.options.limits.requestTimeoutMs);
    if (session === null) throw unreachable(`${this.#name}: the log was closed`);
    return session.ask(label, this.#name, () => this.#serve(link.options.server, serve));
  }

  #serve<Reply>(
    server: SimNatsServer,
    serve: (stream: StoredStream) => Served<Reply>,
  ): Served<Reply> {
    const stream = server.stream(this.#options.origin);
    return stream === null ? 'missing' : serve(stream);
  }

  async #openPatiently(cursor: Cursor, signal: AbortSignal): Promise<StreamConsumer | null> {
    const { link, patienceMs } = this.#options;
    const { client } = link.options;
    const deadlineUs = client.nowUs() + patienceMs * 1000;
    for (;;) {
      const leftMs = Math.max(0, (deadlineUs - client.nowUs()) / 1000);
      const session = await link.untilUp(leftMs, signal);
      if (session === null) return null;
      try {
        return await this.#openOrAbort(session, cursor, signal);
      } catch (error) {
        const again = isRetry(error) && client.nowUs() <= deadlineUs;
        if (!again) throw error;
        await this.#reopenWait(signal);
      }
    }
  }

  async #openOrAbort(
    session: NatsSession,
    cursor: Cursor,
    signal: AbortSignal,
  ): Promise<StreamConsumer | null> {
    const opening = this.#open(session, cursor);
    const aborted = Promise.withResolvers<null>();
    const onAbort = (): void => aborted.resolve(null);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      const consumer = await Promise.race([opening, aborted.promise]);
      if (consumer === null) void opening.then((late) => late.close()).catch(() => undefined);
      return consumer;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #open(session: NatsSession, cursor: Cursor): Promise<StreamConsumer> {
    const { origin, link } = this.#options;
    const opened = await session.ask<Opened>('log.read', this.#name, () =>
      this.#serve(session.server, (stream) => {
        return { reply: { bounds: stream.bounds(), created: stream.created }, bytes: ANSWER_BYTES };
      }),
    );
    this.#checkContinuity(opened, cursor);
    if (session.ended) throw unreachable(`${this.#name}: the connection ended`);
    const { next, known } = cursor;
    const { limits } = link.options;
    return new StreamConsumer({ session, origin, stream: this.#name, limits, next, known });
  }

  /** Whether the stream still is the one that was read up to the cursor, and has what follows. */
  #checkContinuity({ bounds: { first, last }, created }: Opened, cursor: Cursor): void {
    if (cursor.created !== null && cursor.created !== created) {
      throw rewound(`${this.#name} was deleted and created again while it was being read`);
    }
    if (last < cursor.next - 1) {
      throw rewound(`${this.#name} ends at ${last} but was read up to ${cursor.next - 1}`);
    }
    if (first > cursor.next) throw gap(this.#name, cursor.next, first);
    cursor.created = created;
  }

  async #reopenWait(signal: AbortSignal): Promise<void> {
    await this.#timers.sleep(this.#options.link.options.limits.reopenWaitMs, signal);
  }
}

function answer(entry: StoredEntry | null): Served<LogEntry | null> {
  return { reply: entry, bytes: ANSWER_BYTES + (entry?.frame.length ?? 0) };
}

function isRetry(error: unknown): boolean {
  return error instanceof Error && 'recovery' in error && error.recovery === 'retry';
}
