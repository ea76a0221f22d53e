import type { StoredMsg } from '@nats-io/jetstream';
import type { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import type { LogBounds, LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import type { NatsLimits } from './config.ts';
import type { NatsLink } from './link.ts';
import { requestFailure, unreachable } from './log-errors.ts';
import { inboxPrefix, logSubject, streamName } from './names.ts';
import { Publisher } from './publisher.ts';
import { readStream } from './reader.ts';
import type { Session } from './session.ts';
import { boundsOf } from './stream-state.ts';

export interface NatsLogStreamOptions {
  readonly link: NatsLink;
  readonly cluster: string;
  /** Who we are; `origin` is whose log it is. */
  readonly region: RegionId;
  readonly origin: RegionId;
  readonly limits: NatsLimits;
}

interface FailedAppend {
  readonly error: EverywriteError;
  readonly expectedLast: number;
}

/** One origin's JetStream stream. Positions are stream sequences. */
export class NatsLogStream implements LogStream {
  readonly #options: NatsLogStreamOptions;
  readonly #name: string;
  readonly #subject: string;
  #publisher: Publisher | null = null;
  /** The first append that failed since the caller last looked at the stream. */
  #failed: FailedAppend | null = null;

  constructor(options: NatsLogStreamOptions) {
    this.#options = options;
    this.#name = streamName(options.cluster, options.origin);
    this.#subject = logSubject(options.cluster, options.origin);
  }

  bounds(): Promise<LogBounds> {
    return this.#ask(async ({ manager }) =>
      boundsOf((await manager.streams.info(this.#name)).state),
    );
  }

  /**
   * Asks the stream's leader: after an append with unknown outcome this decides what is appended
   * next, and a direct get may be answered by a follower that is behind.
   */
  lastEntry(): Promise<LogEntry | null> {
    this.#failed = null;
    const query = { last_by_subj: this.#subject };
    return this.#ask(async ({ manager }) =>
      asEntry(await manager.streams.getMessage(this.#name, query)),
    );
  }

  entryAt(position: number): Promise<LogEntry | null> {
    const query = { seq: position };
    return this.#ask(async ({ manager }) => {
      // Raw bytes from any server that has them; only the leader knows that there are none.
      const direct = await manager.direct.getMessage(this.#name, query).catch(() => null);
      return asEntry(direct ?? (await manager.streams.getMessage(this.#name, query)));
    });
  }

  /**
   * After a failed append those that were predicted upon it fail with the same error, also when they
   * are called later and on another connection, until the caller has looked at `lastEntry` or starts
   * again at the failed position: the server would store a later frame if somebody else's happened
   * to be in the failed one's place.
   */
  append(frame: Uint8Array, expectedLast: number): Promise<number> {
    const failed = this.#failed;
    if (failed !== null && expectedLast > failed.expectedLast) return Promise.reject(failed.error);
    this.#failed = null;
    const { link } = this.#options;
    const { session } = link;
    if (session === null) {
      const error = unreachable(`${this.#name}: no connection to NATS of ${link.name}.`);
      this.#failed = { error, expectedLast };
      return Promise.reject(error);
    }
    if (this.#publisher?.session !== session) this.#publisher = this.#publisherOn(session);
    return this.#publisher.append(frame, expectedLast);
  }

  read(position: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]> {
    return readStream({ ...this.#options, stream: this.#name }, position, signal);
  }

  async trim(position: number): Promise<void> {
    await this.#ask(({ manager }) => manager.streams.purge(this.#name, { seq: position }));
  }

  close(): void {
    this.#publisher?.close();
    this.#publisher = null;
  }

  #publisherOn(session: Session): Publisher {
    const { limits, region } = this.#options;
    return new Publisher({
      session,
      stream: this.#name,
      subject: this.#subject,
      inboxPrefix: inboxPrefix(region),
      inFlightMax: limits.inFlightMax,
      inFlightBytesMax: limits.inFlightBytesMax,
      ackTimeoutMs: limits.ackTimeoutMs,
      onFailure: (error, expectedLast) => {
        this.#failed ??= { error, expectedLast };
      },
    });
  }

  async #ask<T>(question: (session: Session) => Promise<T>): Promise<T> {
    const { link, limits } = this.#options;
    const session = await link.untilUp(limits.requestTimeoutMs);
    if (session === null) throw unreachable(`${this.#name}: the log was closed.`);
    try {
      return await question(session);
    } catch (error) {
      throw requestFailure(error, this.#name);
    }
  }
}

function asEntry(message: StoredMsg | null): LogEntry | null {
  return message === null ? null : { position: message.seq, frame: message.data };
}
