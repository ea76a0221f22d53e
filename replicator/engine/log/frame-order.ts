import { epochOf } from '#core/region.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/**
 * Frames of one origin are ordered by epoch, then transaction, then place in the WAL, then part. Not by
 * place alone: the pieces of a large transaction stand where its commit record begins, and that may be
 * exactly where the one of another large transaction ends.
 */
export function isBeyond(header: FrameHeader, last: FrameHeader | null): boolean {
  if (last === null) return true;
  const order = [
    epochOf(header.replica) - epochOf(last.replica),
    header.lastSequence - last.lastSequence,
    header.endLsn - last.endLsn,
    header.part - last.part,
  ];
  return (order.find((difference) => difference !== 0) ?? 0) > 0;
}
