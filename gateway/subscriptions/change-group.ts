import type { Timers } from '#core/ports.ts';
import { covers, joinVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ChangeFeed } from '#gateway/feed/change-feed.ts';
import { FeedReader } from '#gateway/feed/feed-reader.ts';
import { encodeToken, tokenOf } from '#gateway/session/causal-token.ts';
import { changeBatches, deliveryOf } from '#gateway/subscriptions/change-batch.ts';
import type { ChangeBatch } from '#gateway/subscriptions/change-batch.ts';
import type { ChangeQuery } from '#gateway/subscriptions/change-query.ts';
import { KnownKeys } from '#gateway/subscriptions/known-keys.ts';
import type { Payload } from '#gateway/subscriptions/operation.ts';

/** Someone who listens to a group. */
export interface Member {
  /** What it has beyond what the group has told it; null when there is nothing. */
  ahead: VersionVector | null;
  /** False when it cannot take more: it is out of the group then. */
  deliver(payload: Payload, cursor: string): boolean;
  /** The group cannot go on. */
  fail(error: unknown): void;
}

export const KNOWN_KEYS_MAX = 100_000;

/** Subscriptions with one signature: one read of the database and one encoding for all of them. */
export class ChangeGroup {
  readonly query: ChangeQuery;
  readonly #reader: FeedReader;
  readonly #known = new KnownKeys(KNOWN_KEYS_MAX);
  readonly #members = new Set<Member>();
  readonly #stop = new AbortController();
  readonly #empty: () => void;
  #position: VersionVector;

  constructor(
    query: ChangeQuery,
    feed: ChangeFeed,
    timers: Timers,
    position: VersionVector,
    empty: () => void,
  ) {
    this.query = query;
    this.#reader = new FeedReader(feed, timers, position);
    this.#position = position;
    this.#empty = empty;
    void this.#run();
  }

  /** Everything up to here was delivered. */
  get position(): VersionVector {
    return this.#position;
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  remove(member: Member): void {
    if (!this.#members.delete(member) || this.#members.size > 0) return;
    this.#stop.abort();
    this.#empty();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        const releases = await this.#reader.next(signal);
        const last = releases.at(-1);
        if (last === undefined) continue;
        const batches = await changeBatches(this.query, releases, this.#known, signal);
        for (const batch of batches) this.#deliver(batch);
        this.#position = joinVectors(this.#position, last.cursor);
      }
    } catch (error) {
      if (!signal.aborted) for (const member of this.#members) member.fail(error);
      for (const member of this.#members) this.remove(member);
    } finally {
      await this.#reader.close();
    }
  }

  #deliver(batch: ChangeBatch): void {
    const { cursor, transaction } = batch.release;
    const { replica, sequence } = transaction.header;
    const token = encodeToken(tokenOf(cursor));
    let encoded: Payload | null = null;
    for (const member of this.#members) {
      const { ahead } = member;
      if (ahead !== null && covers(cursor, ahead)) member.ahead = null;
      let taken: boolean;
      if (member.ahead === null && ahead === null) {
        encoded ??= encodeBatch(this.query, batch, cursor);
        taken = member.deliver(encoded, token);
      } else if (sequence <= sequenceOf(ahead ?? cursor, replica)) continue;
      else {
        const own = joinVectors(cursor, ahead ?? cursor);
        taken = member.deliver(encodeBatch(this.query, batch, own), encodeToken(tokenOf(own)));
      }
      if (!taken) this.remove(member);
    }
  }
}

/** `{"data":…,"extensions":{"cursor":…}}` */
export function encodeBatch(
  query: ChangeQuery,
  { release, changes }: ChangeBatch,
  cursor: VersionVector,
): Payload {
  const delivery = deliveryOf(release.transaction.header, cursor);
  return withCursor(query.render(changes, delivery), delivery.cursor);
}

export function withCursor(data: string, cursor: string | null): Payload {
  const extensions = cursor === null ? '' : `,"extensions":{"cursor":${JSON.stringify(cursor)}}`;
  return Buffer.from(`${data.slice(0, -1)}${extensions}}`);
}
