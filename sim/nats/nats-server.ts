import type { RegionId } from '#core/region.ts';
import type { RandomStream, Scheduler, Trace } from '#sim/kernel/ports.ts';
import type { SimProcess } from '#sim/kernel/sim-process.ts';
import { HEADER_BYTES } from '#sim/nats/nats-limits.ts';
import type { Refusal } from '#sim/nats/nats-errors.ts';
import { StoredStream } from '#sim/nats/stored-stream.ts';
import type { StoredEntry } from '#sim/nats/stored-stream.ts';

/** What the witnesses of a run are told, at the instant it happens. */
export interface NatsWitness {
  stored(origin: RegionId, entry: StoredEntry): void;
  /** Acknowledged or not, these entries are gone; `kept` is the last one that is not. */
  lost(origin: RegionId, entries: readonly StoredEntry[], kept: StoredEntry | null): void;
}

export interface SimNatsOptions {
  /** `eu.log` */
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly spawn: (name: string) => SimProcess;
  readonly random: RandomStream;
  readonly trace: Trace;
  /** 0: every append is on disk before it is acknowledged (`sync_interval: always`). */
  readonly syncIntervalUs: number;
  /** Of one stream; -1: no limit. */
  readonly maxBytes: number;
  readonly maxPayloadBytes: number;
  readonly witness: NatsWitness;
}

export interface AppendRequest {
  readonly frame: Uint8Array;
  readonly expectedLast: number;
  readonly messageId: string;
  /** Of the append before it in the same pipeline, null for the first. */
  readonly previousId: string | null;
}

/** A reader of a stream on this server. */
export interface Consumer {
  /** There is more, or the stream is gone. */
  changed(): void;
}

const STORE_US = 30;

/**
 * One region's nats-server with JetStream: a process that can be killed and frozen, and its disk, which
 * outlives it. What is stored is acknowledged at once and synced at the next pass.
 */
export class SimNatsServer {
  readonly name: string;
  readonly #options: SimNatsOptions;
  readonly #streams = new Map<RegionId, StoredStream>();
  readonly #consumers = new Map<RegionId, Set<Consumer>>();
  readonly #sessions = new Set<() => void>();
  #process: SimProcess | null = null;
  #created = 0;
  #syncedAtUs = 0;
  #full = 0;
  #silent = 0;
  #leaderless = 0;
  #replyLoss = 0;
  #deliveryLoss = 0;

  constructor(options: SimNatsOptions) {
    this.#options = options;
    this.name = options.name;
    if (options.syncIntervalUs > 0) this.#syncLoop();
  }

  /** The running server; null while it is down. */
  get process(): SimProcess | null {
    return this.#process;
  }

  start(): void {
    if (this.#process !== null) return;
    this.#process = this.#options.spawn(this.name);
  }

  /** kill -9: the disk and what is in the page cache stay. */
  kill(): void {
    this.#process?.kill();
    this.#process = null;
    this.#consumers.clear();
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    for (const reset of sessions) reset();
  }

  /** The machine loses power: what is not synced is gone, of the last `windowUs` at most. */
  losePower(windowUs: number): void {
    this.kill();
    const now = this.#options.scheduler.nowUs();
    const since = Math.max(now - windowUs, this.#syncedAtUs);
    if (this.#options.syncIntervalUs === 0) return;
    for (const [origin, stream] of this.#streams) {
      const lost = stream.loseAfter(since);
      this.#options.trace.point(`${this.name}.lost`, { origin, entries: lost.length });
      if (lost.length > 0) this.#options.witness.lost(origin, lost, stream.lastEntry());
    }
  }

  /** An operator deletes all streams; they are created again, from position 1, when somebody asks. */
  deleteStreams(): void {
    for (const [origin, stream] of this.#streams) {
      const entries = stream.from(0, Infinity, Infinity);
      if (entries.length > 0) this.#options.witness.lost(origin, entries, null);
    }
    this.#options.trace.point(`${this.name}.deleted`);
    this.#streams.clear();
    this.#wakeAll();
  }

  /** Appends are refused while any such fault lasts, or with `silent` not answered, as by 2.9. */
  full(silent = false): () => void {
    if (silent) this.#silent++;
    else this.#full++;
    return () => (silent ? this.#silent-- : this.#full--);
  }

  /** No stream has a leader: requests are refused, appends not answered. */
  leaderless(): () => void {
    this.#leaderless++;
    return () => this.#leaderless--;
  }

  loseReplies(probability: number): () => void {
    this.#replyLoss += probability;
    return () => (this.#replyLoss -= probability);
  }

  loseDeliveries(probability: number): () => void {
    this.#deliveryLoss += probability;
    return () => (this.#deliveryLoss -= probability);
  }

  /** Called when the connection of a client ends because this server went down. Returns how to take it back. */
  onReset(reset: () => void): () => void {
    this.#sessions.add(reset);
    return () => this.#sessions.delete(reset);
  }

  get dropsDelivery(): boolean {
    return this.#deliveryLoss > 0 && this.#options.random.chance(this.#deliveryLoss);
  }

  /** Of an append, after it was done. */
  get dropsReply(): boolean {
    return this.#replyLoss > 0 && this.#options.random.chance(this.#replyLoss);
  }

  get hasLeader(): boolean {
    return this.#leaderless === 0;
  }

  get serviceUs(): number {
    return STORE_US + Math.round(this.#options.random.exponential(STORE_US));
  }

  stream(origin: RegionId): StoredStream | null {
    return this.#streams.get(origin) ?? null;
  }

  create(origin: RegionId): StoredStream {
    const known = this.#streams.get(origin);
    if (known !== undefined) return known;
    const stream = new StoredStream(++this.#created, this.#options.maxBytes);
    this.#streams.set(origin, stream);
    return stream;
  }

  /** Null: no answer. */
  append(origin: RegionId, request: AppendRequest): number | Refusal | null {
    const { frame, expectedLast, messageId, previousId } = request;
    if (this.#silent > 0 || this.#leaderless > 0) return null;
    const stream = this.#streams.get(origin);
    if (stream === undefined) return 'missing';
    if (frame.length + HEADER_BYTES > this.#options.maxPayloadBytes) return 'tooLarge';
    if (stream.last !== expectedLast) return 'fenced';
    if (previousId !== null && stream.lastMessageId !== previousId) return 'fenced';
    if (this.#full > 0 || !stream.hasRoomFor(frame.length)) return 'full';
    const entry = stream.store(frame, messageId, this.#options.scheduler.nowUs());
    const { position } = entry;
    this.#options.trace.point(`${this.name}.stored`, { origin, position, digest: digest(frame) });
    this.#options.witness.stored(origin, entry);
    this.#wake(origin);
    return position;
  }

  purge(origin: RegionId, position: number): Refusal | null {
    const stream = this.#streams.get(origin);
    if (stream === undefined) return 'notFound';
    stream.purge(position);
    this.#options.trace.point(`${this.name}.purged`, { origin, position });
    return null;
  }

  subscribe(origin: RegionId, consumer: Consumer): () => void {
    const consumers = this.#consumers.get(origin) ?? new Set();
    this.#consumers.set(origin, consumers);
    consumers.add(consumer);
    return () => void consumers.delete(consumer);
  }

  #wake(origin: RegionId): void {
    for (const consumer of this.#consumers.get(origin) ?? []) consumer.changed();
  }

  #wakeAll(): void {
    for (const origin of this.#consumers.keys()) this.#wake(origin);
  }

  #syncLoop(): void {
    const { scheduler, syncIntervalUs } = this.#options;
    scheduler.after(syncIntervalUs, () => {
      // The page cache is written by the system when the server is down, and a frozen one writes nothing.
      if (this.#process?.frozen !== true) this.#syncedAtUs = scheduler.nowUs();
      this.#syncLoop();
    });
  }
}

/** FNV-1a: names the bytes in the trace. */
export function digest(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
