import type { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import { gap, unreachable } from '#sim/nats/nats-errors.ts';
import type { SimNatsLimits } from '#sim/nats/nats-limits.ts';
import type { NatsSession } from '#sim/nats/nats-session.ts';
import type { StoredEntry } from '#sim/nats/stored-stream.ts';

export interface KnownEntry {
  readonly position: number;
  readonly storedAtUs: number;
}

export interface ConsumerOptions {
  readonly session: NatsSession;
  readonly origin: RegionId;
  readonly stream: string;
  readonly limits: SimNatsLimits;
  /** The first position to hand out. */
  readonly next: number;
  /** An entry before it that was handed out earlier: the server's must still be the same. */
  readonly known: KnownEntry | null;
}

/** Entries that the server sends as one burst. */
const BURST_ENTRIES_MAX = 256;
const BURST_BYTES_MAX = 1024 * 1024;
const CREDIT_BYTES = 80;
const HEARTBEATS_MISSED_MAX = 2;

/**
 * One consumer on the server and its reader here, as replicator/nats/pull-consumer.ts has them: bounded
 * by what the reader has asked for, ended by anything that makes the order doubtful.
 */
export class StreamConsumer {
  readonly #options: ConsumerOptions;
  readonly #cleanups: (() => void)[] = [];
  #arrived: StoredEntry[] = [];
  #next: number;
  #unchecked: KnownEntry | null;
  #ended = false;
  #failure: EverywriteError | null = null;
  #wake: () => void = () => undefined;
  /** The server's side: where it is, what it may still send, and how many deliveries it counted. */
  readonly #served = { next: 0, entries: 0, bytes: 0, deliveries: 0 };
  #deliveries = 0;
  #taken = { entries: 0, bytes: 0 };
  #heardAtBeat = 0;
  #missed = 0;
  #heard = 0;

  constructor(options: ConsumerOptions) {
    const { session, next, known, limits, origin } = options;
    this.#options = options;
    this.#next = next;
    this.#unchecked = known;
    this.#served.next = known?.position ?? next;
    this.#served.entries = limits.readAheadEntriesMax;
    this.#served.bytes = limits.readAheadBytesMax;
    const changed = (): void => this.#serve();
    this.#cleanups.push(
      session.onEnd(() => this.#end(null)),
      session.server.subscribe(origin, { changed }),
    );
    // What is stored goes out with the answer that the consumer exists.
    session.process.after(0, changed);
    this.#watch();
  }

  /** Why it ended; null when a new consumer may simply go on. */
  get failure(): EverywriteError | null {
    return this.#failure;
  }

  /** Everything that has arrived, at least one entry; null at the end and when `signal` aborts. */
  async take(signal: AbortSignal): Promise<readonly StoredEntry[] | null> {
    this.#credit();
    while (this.#arrived.length === 0 && !this.#ended && !signal.aborted)
      await this.#change(signal);
    if (signal.aborted || this.#arrived.length === 0) return null;
    const entries = this.#arrived;
    this.#arrived = [];
    this.#taken = { entries: entries.length, bytes: bytesOf(entries) };
    return entries;
  }

  close(): void {
    this.#end(null);
  }

  /** At the server. */
  #serve(): void {
    const { session, origin } = this.#options;
    const served = this.#served;
    const stream = session.server.stream(origin);
    if (!session.client.alive) this.#abandon();
    if (this.#ended || !session.client.alive || !session.process.alive) return;
    if (stream === null) {
      session.reply.send(CREDIT_BYTES, () => session.heard() && this.#end(null));
      return;
    }
    while (served.entries > 0 && served.bytes > 0) {
      const entriesMax = Math.min(BURST_ENTRIES_MAX, served.entries);
      const entries = stream.from(served.next, entriesMax, BURST_BYTES_MAX);
      const last = entries.at(-1);
      if (last === undefined) return;
      const bytes = bytesOf(entries);
      served.next = last.position + 1;
      served.entries -= entries.length;
      served.bytes -= bytes;
      const delivery = ++served.deliveries;
      if (session.server.dropsDelivery) continue;
      session.reply.send(bytes, () => session.heard() && this.#delivered(delivery, entries));
    }
  }

  /** The reader is dead, and must not be woken: the server forgets it, as it does after a while. */
  #abandon(): void {
    for (const cleanup of this.#cleanups) cleanup();
  }

  #delivered(delivery: number, entries: readonly StoredEntry[]): void {
    if (this.#ended) return;
    this.#heard++;
    // A delivery was lost: a new consumer starts behind what we have.
    if (delivery !== ++this.#deliveries) return this.#end(null);
    for (const entry of entries) if (!this.#accept(entry)) return;
    this.#wake();
  }

  #accept(entry: StoredEntry): boolean {
    const { stream } = this.#options;
    const known = this.#unchecked;
    this.#unchecked = null;
    if (known?.position === entry.position) {
      if (known.storedAtUs === entry.storedAtUs) return true;
      this.#end(unreachable(`${stream} was written anew at ${entry.position}`));
      return false;
    }
    if (entry.position !== this.#next) {
      this.#end(gap(stream, this.#next, entry.position));
      return false;
    }
    this.#next = entry.position + 1;
    this.#arrived.push(entry);
    return true;
  }

  /** The reader is done with what it took: the server may send as much again. */
  #credit(): void {
    const { entries, bytes } = this.#taken;
    if (entries === 0 || this.#ended) return;
    this.#taken = { entries: 0, bytes: 0 };
    this.#options.session.request.send(CREDIT_BYTES, () => {
      const served = this.#served;
      const starved = served.entries <= 0 || served.bytes <= 0;
      served.entries += entries;
      served.bytes += bytes;
      if (starved) this.#serve();
    });
  }

  /** Heartbeats of an idle consumer: two missing, and it is taken for gone. */
  #watch(): void {
    const { session, limits } = this.#options;
    session.client.after(limits.consumerHeartbeatMs * 1000, () => {
      if (this.#ended) return;
      this.#missed = this.#heard === this.#heardAtBeat ? this.#missed + 1 : 0;
      this.#heardAtBeat = this.#heard;
      if (this.#missed > HEARTBEATS_MISSED_MAX) return this.#end(null);
      session.request.send(CREDIT_BYTES, () =>
        session.reply.send(CREDIT_BYTES, () => {
          this.#heard++;
        }),
      );
      return this.#watch();
    });
  }

  #end(failure: EverywriteError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    for (const cleanup of this.#cleanups) cleanup();
    this.#wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = () => undefined;
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done);
    });
  }
}

function bytesOf(entries: readonly StoredEntry[]): number {
  let bytes = 0;
  for (const { frame } of entries) bytes += frame.length;
  return bytes;
}
