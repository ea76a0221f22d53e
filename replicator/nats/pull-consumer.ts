import { nanos } from '@nats-io/transport-node';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { EverywriteError } from '#core/errors.ts';
import type { LogEntry } from '#replicator/engine/log-port.ts';
import { parseDelivery } from './delivery.ts';
import type { Delivery } from './delivery.ts';
import { unreachable } from './log-errors.ts';
import { PullWindow, SLOTS } from './pull-window.ts';
import type { WindowBounds } from './pull-window.ts';
import type { Session } from './session.ts';

const EXPIRES_MS = 30_000;
const HEARTBEATS_MISSED_MAX = 2;
const HEARTBEAT_STATUS = 100;
const EXPIRED_STATUS = 408;
const CONFLICT_STATUS = 409;
/** How a server ends one request of which the rest is too small for the next message. */
const REQUEST_FULL = /exceeds maxbytes|batch completed/i;

export interface PullOptions {
  readonly session: Session;
  readonly stream: string;
  /** Name of a consumer of this stream without acknowledgements, used by nobody else. */
  readonly consumer: string;
  readonly inbox: string;
  readonly window: WindowBounds;
  readonly heartbeatMs: number;
  /** The first position to hand out. */
  readonly next: number;
  /** An entry before it that was handed out earlier: the consumer starts there, to compare. */
  readonly known: KnownEntry | null;
}

export interface KnownEntry {
  readonly position: number;
  readonly storedAt: string;
}

export interface PulledEntries {
  readonly entries: readonly LogEntry[];
  /** The last of them, to be compared on the next connection. */
  readonly known: KnownEntry;
}

/**
 * Entries in order from one ephemeral pull consumer, until something makes the order doubtful. Pull
 * rather than push, because only its requests carry a limit in bytes, and the server keeps to it.
 */
export class PullConsumer {
  readonly #options: PullOptions;
  readonly #window: PullWindow;
  readonly #subscriptions: readonly Subscription[];
  readonly #forgetSession: () => void;
  readonly #timer: NodeJS.Timeout;
  #arrived: LogEntry[] = [];
  #arrivedBytes = 0;
  #taken = { bytes: 0, entries: 0 };
  #next: number;
  #unchecked: KnownEntry | null;
  #storedAt = '';
  #consumerSequence = 0;
  #missed = 0;
  #ended = false;
  #failure: EverywriteError | null = null;
  #wake: () => void = () => {};

  constructor(options: PullOptions) {
    this.#options = options;
    this.#window = new PullWindow(options.window);
    this.#next = options.next;
    this.#unchecked = options.known;
    const { connection } = options.session;
    this.#subscriptions = Array.from({ length: SLOTS }, (_, slot) =>
      connection.subscribe(`${options.inbox}.${slot}.*`, {
        callback: (error, message) => {
          if (error === null) this.#onMessage(slot, message);
          else this.#end(null);
        },
      }),
    );
    this.#forgetSession = options.session.onEnd(() => this.#end(null));
    this.#timer = setInterval(() => this.#checkHeartbeat(), options.heartbeatMs);
    this.#request();
  }

  /** Why it ended; null when a new consumer may simply go on. */
  get failure(): EverywriteError | null {
    return this.#failure;
  }

  /** Everything that has arrived, at least one entry; null at the end and when `signal` aborts. */
  async take(signal: AbortSignal): Promise<PulledEntries | null> {
    this.#window.released(this.#taken.bytes, this.#taken.entries);
    this.#taken = { bytes: 0, entries: 0 };
    this.#request();
    while (this.#arrived.length === 0 && !this.#ended && !signal.aborted)
      await this.#change(signal);
    if (signal.aborted || this.#arrived.length === 0) return null;
    const entries = this.#arrived;
    this.#taken = { bytes: this.#arrivedBytes, entries: entries.length };
    this.#arrived = [];
    this.#arrivedBytes = 0;
    return { entries, known: { position: this.#next - 1, storedAt: this.#storedAt } };
  }

  /** Stops deliveries and lets the server forget the consumer. */
  close(): void {
    this.#end(null);
    const { session, stream, consumer } = this.#options;
    if (session.ended) return;
    // Without an answer the server forgets it by itself after the inactive threshold.
    void session.manager.consumers.delete(stream, consumer).catch(() => {});
  }

  #onMessage(slot: number, message: Msg): void {
    if (this.#ended) return;
    this.#missed = 0;
    const { data } = message;
    // Statuses have no payload; asking every message for its headers would decode them.
    const status = data.length === 0 ? (message.headers?.code ?? 0) : 0;
    if (status !== 0) return this.#onStatus(slot, message, status);
    const delivery = parseDelivery(message.reply ?? '');
    if (delivery === null) return;
    const usedUp = this.#window.delivered(slot, data.length);
    if (this.#accept(delivery)) {
      this.#arrived.push({ position: delivery.streamSequence, frame: data });
      this.#arrivedBytes += data.length;
      this.#wake();
    } else {
      this.#window.released(data.length, 1);
    }
    if (usedUp) this.#request();
  }

  #accept({ streamSequence, consumerSequence, storedAt }: Delivery): boolean {
    // A delivery was lost: a new consumer starts behind what we have.
    if (consumerSequence !== this.#consumerSequence + 1) return this.#end(null);
    this.#consumerSequence = consumerSequence;
    const known = this.#unchecked;
    this.#unchecked = null;
    if (known?.position === streamSequence) {
      return known.storedAt === storedAt ? false : this.#end(this.#rewritten(streamSequence));
    }
    if (streamSequence !== this.#next) return this.#end(this.#gap(streamSequence));
    this.#next = streamSequence + 1;
    this.#storedAt = storedAt;
    return true;
  }

  #onStatus(slot: number, message: Msg, status: number): void {
    if (status === HEARTBEAT_STATUS) return;
    const full =
      status === CONFLICT_STATUS && REQUEST_FULL.test(message.headers?.description ?? '');
    if (status !== EXPIRED_STATUS && !full) {
      this.#end(null);
      return;
    }
    this.#window.ended(slot, Number(message.subject.slice(message.subject.lastIndexOf('.') + 1)));
    this.#request();
  }

  #request(): void {
    if (this.#ended) return;
    const { session, stream, consumer, inbox, heartbeatMs } = this.#options;
    for (const { slot, request, bytes, entries } of this.#window.refill()) {
      const body = JSON.stringify({
        batch: entries,
        max_bytes: bytes,
        expires: nanos(EXPIRES_MS),
        idle_heartbeat: nanos(heartbeatMs),
      });
      session.connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, body, {
        reply: `${inbox}.${slot}.${request}`,
      });
    }
  }

  /** The server has lost the consumer, for example with the server that led it. */
  #checkHeartbeat(): void {
    if (!this.#window.open) return;
    this.#missed += 1;
    if (this.#missed > HEARTBEATS_MISSED_MAX) this.#end(null);
  }

  #end(failure: EverywriteError | null): false {
    if (this.#ended) return false;
    this.#ended = true;
    this.#failure = failure;
    clearInterval(this.#timer);
    this.#forgetSession();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#wake();
    return false;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = () => {};
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done);
    });
  }

  #rewritten(position: number): EverywriteError {
    const { stream } = this.#options;
    return unreachable(`${stream} was written anew: position ${position} holds another entry now.`);
  }

  #gap(found: number): EverywriteError {
    return new EverywriteError({
      code: 'LOG_GAP',
      recovery: 'operator',
      message: `${this.#options.stream} no longer has position ${this.#next}: the next one is ${found}.`,
    });
  }
}
