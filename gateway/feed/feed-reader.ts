import { EMPTY_VECTOR, covers, joinVectors } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { Timers } from '#core/ports.ts';
import { Signal } from '#replicator/engine/signal.ts';
import type { ChangeFeed } from '#gateway/feed/change-feed.ts';
import type { Release } from '#gateway/feed/release-order.ts';

export const READER_LIMITS = {
  /** Live releases that wait for the reader; beyond, it reads them from the logs when it comes to it. */
  queueCountMax: 5000,
  queueBytesMax: 8 * 1024 * 1024,
  /** Of a replay, handed over at once. */
  chunkCountMax: 500,
} as const;

const FEED_WAIT_MS = 50;

/**
 * Reads the feed from a cursor on, whether what follows lies in the logs or is yet to come, across
 * interruptions. The logs are its buffer: a slow reader holds a bounded queue and nothing else.
 */
export class FeedReader {
  readonly #feed: ChangeFeed;
  readonly #timers: Timers;
  readonly #arrived = new Signal();
  #position: VersionVector;
  #queue: Release[] = [];
  #queuedBytes = 0;
  #detach: (() => void) | null = null;
  #replaying: AsyncGenerator<Release> | null = null;
  #replayingUntil: VersionVector = EMPTY_VECTOR;

  constructor(feed: ChangeFeed, timers: Timers, cursor: VersionVector) {
    this.#feed = feed;
    this.#timers = timers;
    this.#position = cursor;
  }

  /** Everything up to here was handed over. */
  get position(): VersionVector {
    return this.#position;
  }

  /** What comes next, at least one; empty only when `signal` aborts. Throws CursorExpired. */
  async next(signal: AbortSignal): Promise<readonly Release[]> {
    while (!signal.aborted) {
      if (this.#queue.length > 0) return this.#take();
      if (this.#detach !== null) {
        await this.#arrived.wait(signal);
        continue;
      }
      if (this.#replaying === null && this.#attach()) continue;
      const chunk = await this.#replayed(signal);
      if (chunk.length > 0) return chunk;
      if (this.#replaying === null && !this.#feed.running) {
        await this.#timers.sleep(FEED_WAIT_MS, signal);
      }
    }
    return [];
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#endReplay();
  }

  #attach(): boolean {
    const attached = this.#feed.attach(this.#position, {
      released: (releases) => this.#offer(releases),
      interrupted: () => this.#leave(),
    });
    if (attached === null) return false;
    this.#detach = attached.detach;
    this.#offer(attached.backlog);
    return true;
  }

  #offer(releases: readonly Release[]): void {
    for (const release of releases) {
      this.#queue.push(release);
      this.#queuedBytes += release.transaction.bytes;
    }
    const { queueCountMax, queueBytesMax } = READER_LIMITS;
    if (this.#queue.length > queueCountMax || this.#queuedBytes > queueBytesMax) this.#leave();
    this.#arrived.raise();
  }

  /** What was queued is dropped: it is read again from where this reader stands. */
  #leave(): void {
    this.#detach?.();
    this.#detach = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#arrived.raise();
  }

  #take(): readonly Release[] {
    const releases = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    return this.#advance(releases);
  }

  async #replayed(signal: AbortSignal): Promise<readonly Release[]> {
    const until = this.#feed.released;
    if (this.#replaying === null) {
      // Ahead of this region, or level with it and no longer kept in memory: there is nothing to read.
      if (until === null || covers(this.#position, until)) {
        await this.#timers.sleep(FEED_WAIT_MS, signal);
        return [];
      }
      this.#replayingUntil = until;
      this.#replaying = this.#feed.replay(this.#position, until, signal);
    }
    const chunk: Release[] = [];
    while (chunk.length < READER_LIMITS.chunkCountMax) {
      const next = await this.#replaying.next();
      if (next.done === true) {
        this.#replaying = null;
        if (!signal.aborted && chunk.length === 0) {
          this.#position = joinVectors(this.#position, this.#replayingUntil);
        }
        break;
      }
      chunk.push(next.value);
    }
    return this.#advance(chunk);
  }

  /** A cursor may be ahead of this region in some origins: it never goes back. */
  #advance(releases: readonly Release[]): readonly Release[] {
    const fresh = releases.filter(({ transaction: { header } }) => {
      return header.sequence > (this.#position.get(header.replica) ?? 0);
    });
    const last = releases.at(-1);
    if (last === undefined) return fresh;
    const before = this.#position;
    this.#position = joinVectors(before, last.cursor);
    if (covers(fresh[0]?.cursor ?? last.cursor, before)) return fresh;
    return fresh.map(({ transaction, cursor }) => {
      return { transaction, cursor: joinVectors(before, cursor) };
    });
  }

  async #endReplay(): Promise<void> {
    await this.#replaying?.return(undefined);
    this.#replaying = null;
  }
}
