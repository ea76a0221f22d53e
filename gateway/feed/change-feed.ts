import { asEverywriteError, EverywriteError } from '#core/errors.ts';
import type { Clock, Logger, Timers } from '#core/ports.ts';
import { regionOf } from '#core/region.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { covers, EMPTY_VECTOR, joinVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { FrameReader } from '#replicator/engine/log/transactions.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { Signal } from '#replicator/engine/signal.ts';
import { Assembly } from '#gateway/feed/assembly.ts';
import { RecentReleases } from '#gateway/feed/recent-releases.ts';
import { ReleaseOrder } from '#gateway/feed/release-order.ts';
import type { Release } from '#gateway/feed/release-order.ts';
import { CursorExpired, replay } from '#gateway/feed/replay.ts';
import type { Streams } from '#gateway/feed/replay.ts';
import { CausalWaits } from '#gateway/session/causal-waits.ts';
import { VisibleFrontier } from '#gateway/session/frontier.ts';

export interface FeedPorts {
  readonly streams: Streams;
  /** The applied vector as the database shows it now. */
  readonly readApplied: () => Promise<VersionVector>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface FeedOptions {
  readonly own: RegionId;
  readonly regions: readonly RegionId[];
  /** Read from the logs and not yet visible; a log that is further ahead of apply waits. */
  readonly pendingBytesMax: number;
  /** A larger transaction is passed on without its operations. */
  readonly transactionBytesMax: number;
  readonly recentBytesMax: number;
  readonly recentCountMax: number;
}

export const FEED_LIMITS = {
  pendingBytesMax: 16 * 1024 * 1024,
  transactionBytesMax: 16 * 1024 * 1024,
  recentBytesMax: 16 * 1024 * 1024,
  recentCountMax: 20_000,
} as const;

export interface FeedListener {
  /** What became visible, in order. Called synchronously: must neither throw nor wait. */
  readonly released: (releases: readonly Release[]) => void;
  /** The feed starts afresh: whoever listens must attach again, from its own cursor. */
  readonly interrupted: () => void;
}

/** Everything believed between two interruptions. */
interface Life {
  readonly order: ReleaseOrder;
  readonly recent: RecentReleases;
  readonly pendingBytes: Map<RegionId, number>;
  readonly drained: Map<RegionId, Signal>;
}

// Apply needs some milliseconds from the copy to the commit; asking in between costs a trivial query.
const LOOK_MIN_MS = 2;
const LOOK_MAX_MS = 50;
const IDLE_LOOK_MS = 1000;
const RESTART_WAIT_MS = 200;
const STREAM_WAIT_MS = 500;

/**
 * What became visible in this region, in causal order: read from the region's own logs, released once
 * the database shows it. Crash-only like a region's pipeline: any error starts it afresh, and listeners
 * go on from their cursors.
 */
export class ChangeFeed {
  readonly frontier: VisibleFrontier;
  readonly waits: CausalWaits;
  readonly #ports: FeedPorts;
  readonly #options: FeedOptions;
  readonly #listeners = new Set<FeedListener>();
  readonly #look = new Signal();
  #life: Life | null = null;
  #error: EverywriteError | null = null;

  constructor(ports: FeedPorts, options: FeedOptions) {
    this.#ports = ports;
    this.#options = options;
    this.frontier = new VisibleFrontier(options.own);
    this.waits = new CausalWaits(this.frontier, ports.timers);
    this.waits.onWait = () => this.#look.raise();
    this.frontier.onAdvance = () => this.waits.advanced();
  }

  /** Why it stands still; null while it runs. */
  get error(): EverywriteError | null {
    return this.#error;
  }

  get running(): boolean {
    return this.#life !== null;
  }

  /** The cursor of whoever has everything that was released; null before the feed runs. */
  get released(): VersionVector | null {
    return this.#life?.order.released ?? null;
  }

  /**
   * Listens from `cursor` on: returns what followed it already and calls the listener for the rest. Null
   * when that is no longer at hand, or the feed does not run.
   */
  attach(
    cursor: VersionVector,
    listener: FeedListener,
  ): { readonly backlog: readonly Release[]; readonly detach: () => void } | null {
    const backlog = this.#life?.recent.after(cursor) ?? null;
    if (backlog === null) return null;
    this.#listeners.add(listener);
    return { backlog, detach: () => this.#listeners.delete(listener) };
  }

  /** What lies between a cursor and what is released now, read from the logs. */
  async *replay(
    cursor: VersionVector,
    until: VersionVector,
    signal: AbortSignal,
  ): AsyncGenerator<Release> {
    try {
      const { transactionBytesMax } = this.#options;
      yield* replay(this.#ports.streams, cursor, until, transactionBytesMax, signal);
    } catch (error) {
      if (!(error instanceof EverywriteError) || error.code !== 'LOG_GAP') throw error;
      throw new CursorExpired([...until.keys()][0] ?? ('' as ReplicaId));
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const life = new AbortController();
      const abort = (): void => life.abort();
      signal.addEventListener('abort', abort);
      // Also at rest: a database that was killed and came back may show less than before.
      const stop = this.#ports.timers.every(IDLE_LOOK_MS, () => this.#look.raise());
      try {
        await this.#live(life.signal, signal);
      } catch (error) {
        this.#failed(asEverywriteError(error, 'LOG_UNREACHABLE'));
      } finally {
        signal.removeEventListener('abort', abort);
        stop();
        life.abort();
        this.#end();
      }
      await this.#ports.timers.sleep(RESTART_WAIT_MS, signal);
    }
  }

  async #live(signal: AbortSignal, outer: AbortSignal): Promise<void> {
    const { own, regions, recentBytesMax, recentCountMax } = this.#options;
    // The own tail first: what its transactions depend on is in the vector that is read after it.
    const tail = await this.#ownTail();
    const applied = await this.#ports.readApplied();
    const base = joinVectors(applied, tail);
    this.frontier.reset(base);
    const life: Life = {
      order: new ReleaseOrder(base),
      recent: new RecentReleases(base, recentBytesMax, recentCountMax),
      pendingBytes: new Map(),
      drained: new Map(regions.map((region) => [region, new Signal()])),
    };
    this.#life = life;
    this.#error = null;
    if (outer.aborted) return;
    const origins = regions.includes(own) ? regions : [own, ...regions];
    await Promise.race([
      ...origins.map((origin) => this.#follow(life, origin, base, signal)),
      this.#watchApplied(life, signal),
    ]);
  }

  async #ownTail(): Promise<VersionVector> {
    const stream = await this.#ports.streams(this.#options.own);
    const last = (await stream?.lastEntry()) ?? null;
    if (last === null) return new Map();
    const { header } = decodeFrame(last.frame);
    const whole = header.lastPart ? header.lastSequence : header.lastSequence - 1;
    return new Map(whole > 0 ? [[header.replica, whole]] : []);
  }

  async #follow(
    life: Life,
    origin: RegionId,
    base: VersionVector,
    signal: AbortSignal,
  ): Promise<void> {
    const stream = await this.#stream(origin, signal);
    if (stream === null) return;
    const replica = [...base.keys()].filter((name) => regionOf(name) === origin).at(-1);
    const after = replica === undefined ? 0 : sequenceOf(base, replica);
    const { first } = await stream.bounds();
    // One earlier: it tells how far in the origin's WAL everything is visible already.
    const from = Math.max(first, (await positionAfter(stream, after)) - 1);
    const reader = new FrameReader(after);
    const assembly = new Assembly(this.#options.transactionBytesMax);
    for await (const entries of stream.read(from, signal)) {
      for (const entry of entries) {
        const { header, pieces } = reader.push(entry);
        for (const piece of pieces) {
          const transaction = assembly.push(piece);
          if (transaction === null) continue;
          life.order.offer(transaction);
          life.pendingBytes.set(origin, (life.pendingBytes.get(origin) ?? 0) + transaction.bytes);
        }
        this.frontier.logged(header);
      }
      this.#release(life);
      if (this.frontier.behind) this.#look.raise();
      await this.#room(life, origin, signal);
    }
    if (!signal.aborted) throw ended(origin);
  }

  /** Waits for a stream that does not exist yet. */
  async #stream(origin: RegionId, signal: AbortSignal): Promise<LogStream | null> {
    while (!signal.aborted) {
      const stream = await this.#ports.streams(origin);
      if (stream !== null) return stream;
      await this.#ports.timers.sleep(STREAM_WAIT_MS, signal);
    }
    return null;
  }

  async #room(life: Life, origin: RegionId, signal: AbortSignal): Promise<void> {
    const drained = life.drained.get(origin);
    while (
      drained !== undefined &&
      !signal.aborted &&
      (life.pendingBytes.get(origin) ?? 0) > this.#options.pendingBytesMax
    ) {
      await drained.wait(signal);
    }
  }

  /** Looks at the applied vector while a log holds what is not visible yet, or somebody waits. */
  async #watchApplied(life: Life, signal: AbortSignal): Promise<void> {
    let pause = LOOK_MIN_MS;
    let last: VersionVector = EMPTY_VECTOR;
    while (!signal.aborted) {
      if (!this.frontier.behind && this.waits.count === 0) {
        await this.#look.wait(signal);
        pause = LOOK_MIN_MS;
      }
      if (signal.aborted) return;
      const before = this.frontier.vector;
      const applied = await this.#ports.readApplied();
      if (!covers(applied, last)) throw wentBack();
      last = applied;
      this.frontier.applied(applied);
      this.#release(life);
      const moved = [...applied].some(([replica, at]) => at > sequenceOf(before, replica));
      pause = moved ? LOOK_MIN_MS : Math.min(LOOK_MAX_MS, pause * 2);
      await this.#ports.timers.sleep(pause, signal);
    }
  }

  #release(life: Life): void {
    if (this.#life !== life) return;
    const releases: Release[] = [];
    for (;;) {
      const release = life.order.next(this.frontier.vector);
      if (release === null) break;
      releases.push(release);
      life.recent.push(release);
      const { region } = release.transaction.header;
      const left = (life.pendingBytes.get(region) ?? 0) - release.transaction.bytes;
      life.pendingBytes.set(region, left);
      if (left <= this.#options.pendingBytesMax) life.drained.get(region)?.raise();
    }
    if (releases.length === 0) return;
    for (const listener of this.#listeners) listener.released(releases);
  }

  #end(): void {
    if (this.#life === null) return;
    this.#life = null;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener.interrupted();
  }

  #failed(error: EverywriteError): void {
    if (this.#error?.code !== error.code) {
      const fields = { code: error.code, error: error.message };
      this.#ports.logger.log('warn', 'feed interrupted', fields);
    }
    this.#error = error;
  }
}

function ended(origin: RegionId): EverywriteError {
  return new EverywriteError({
    code: 'LOG_UNREACHABLE',
    recovery: 'retry',
    message: `Reading the log of ${origin} ended; the feed starts again.`,
  });
}

function wentBack(): EverywriteError {
  return new EverywriteError({
    code: 'DATABASE_UNREACHABLE',
    recovery: 'restart',
    message:
      'The database shows less than it did: it was restarted, and apply repeats its last moments.',
  });
}
