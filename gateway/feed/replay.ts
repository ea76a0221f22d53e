import type { RegionId, ReplicaId } from '#core/region.ts';
import { regionOf } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { storedPieces } from '#replicator/engine/log/transactions.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { Assembly } from '#gateway/feed/assembly.ts';
import { ReleaseOrder } from '#gateway/feed/release-order.ts';
import type { FeedTransaction, Release } from '#gateway/feed/release-order.ts';

/** The logs here no longer hold what follows a cursor. */
export class CursorExpired extends Error {
  override readonly name = 'CursorExpired';
  readonly replica: ReplicaId;

  constructor(replica: ReplicaId) {
    super(`The log of ${replica} no longer holds what follows the cursor.`);
    this.replica = replica;
  }
}

/** The stream of an origin in this region; null while there is none. */
export type Streams = (origin: RegionId) => Promise<LogStream | null>;

/**
 * Everything between a cursor and `until`, in causal order, out of this region's own logs: the cursor may
 * come from any region. Throws CursorExpired when a log was trimmed beyond it.
 */
export async function* replay(
  streams: Streams,
  cursor: VersionVector,
  until: VersionVector,
  transactionBytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Release> {
  const order = new ReleaseOrder(cursor);
  const sources = new Map<ReplicaId, AsyncGenerator<FeedTransaction>>();
  const end = new AbortController();
  const abort = (): void => end.abort();
  signal.addEventListener('abort', abort);
  try {
    for (const [replica, sequence] of until) {
      const after = sequenceOf(cursor, replica);
      if (after >= sequence) continue;
      const stream = await streams(regionOf(replica));
      const from = await whereItFollows(stream, replica, after);
      sources.set(replica, transactionsOf(from, after, transactionBytesMax, end.signal));
    }
    while (!signal.aborted) {
      for (const [replica, source] of sources) {
        if (order.waits(replica)) continue;
        const next = await source.next();
        if (next.done !== true) order.offer(next.value);
        if (next.done === true || next.value.header.sequence >= sequenceOf(until, replica)) {
          sources.delete(replica);
        }
      }
      const release = order.next(until);
      if (release === null) break;
      yield release;
    }
    const lacking = [...until.keys()].find((replica) => {
      return sequenceOf(order.released, replica) < sequenceOf(until, replica);
    });
    if (lacking !== undefined && !signal.aborted) throw new CursorExpired(lacking);
  } finally {
    signal.removeEventListener('abort', abort);
    end.abort();
    await Promise.allSettled([...sources.values()].map((source) => source.return(undefined)));
  }
}

interface Place {
  readonly stream: LogStream;
  readonly position: number;
}

async function whereItFollows(
  stream: LogStream | null,
  replica: ReplicaId,
  after: number,
): Promise<Place> {
  if (stream === null) throw new CursorExpired(replica);
  const position = await positionAfter(stream, after);
  const entry = await stream.entryAt(position);
  const header = entry === null ? null : decodeFrame(entry.frame).header;
  if (header === null || header.replica !== replica || header.firstSequence > after + 1) {
    throw new CursorExpired(replica);
  }
  // A large transaction of which the log begins with a later piece.
  if (header.kind === 'part' && header.part > 1) throw new CursorExpired(replica);
  return { stream, position };
}

async function* transactionsOf(
  { stream, position }: Place,
  after: number,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<FeedTransaction> {
  const assembly = new Assembly(bytesMax);
  for await (const piece of storedPieces(stream, position, after, signal)) {
    const transaction = assembly.push(piece);
    if (transaction !== null) yield transaction;
  }
}
