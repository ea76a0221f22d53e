import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/**
 * The first stored position whose frame satisfies `isBeyond`, which must be false up to some frame and
 * true after it; one past the last when none does. Reads about log2(n) frames, one after the other, which
 * across a slow link is most of a reconnection: two at once where `hint` is the last that does not.
 */
export async function firstBeyond(
  stream: LogStream,
  isBeyond: (header: FrameHeader) => boolean,
  hint?: number,
): Promise<number> {
  if (hint !== undefined) {
    const pair = await Promise.all([stream.entryAt(hint), stream.entryAt(hint + 1)]);
    const [here, next] = pair.map((entry) => entry && isBeyond(decodeFrame(entry.frame).header));
    if (here === false && next === true) return hint + 1;
  }
  const bounds = await stream.bounds();
  let low = bounds.first;
  let high = bounds.last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = await entryAtOrAfter(stream, middle, high);
    if (entry === null || isBeyond(decodeFrame(entry.frame).header)) high = middle;
    else low = entry.position + 1;
  }
  return low;
}

/** Where to begin reading so that everything after `sequence` is seen, whole transactions only. */
export function positionAfter(stream: LogStream, sequence: number): Promise<number> {
  return firstBeyond(stream, (header) => header.lastSequence > sequence);
}

// A stream has no holes except at a corrupted block; the next entry then answers for it.
async function entryAtOrAfter(
  stream: LogStream,
  position: number,
  end: number,
): Promise<LogEntry | null> {
  for (let at = position; at < end; at++) {
    const entry = await stream.entryAt(at);
    if (entry !== null) return entry;
  }
  return null;
}
