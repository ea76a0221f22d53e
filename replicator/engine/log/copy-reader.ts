import type { RegionId } from '#core/region.ts';
import type { Inbox, InboxItem } from '#replicator/engine/apply/inbox.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import { FrameReader } from '#replicator/engine/log/transactions.ts';
import { heapBytes } from '#replicator/engine/log/transaction-size.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

const HEARTBEAT_BYTES = 100;

/**
 * Feeds apply from the local copy, never from the wire: what is applied here is durable here first
 * (hazards T8). The inbox's bound holds the reader, not the copying.
 */
export async function readCopy(
  origin: RegionId,
  copy: LogStream,
  after: number,
  inbox: Inbox,
  seen: (header: FrameHeader) => void,
  signal: AbortSignal,
): Promise<void> {
  const from = await positionAfter(copy, after);
  const reader = new FrameReader(after);
  for await (const entries of copy.read(from, signal)) {
    const items: InboxItem[] = [];
    for (const entry of entries) {
      const { header, pieces } = reader.push(entry);
      seen(header);
      for (const { transaction, piece } of pieces) {
        const bytes = heapBytes(transaction);
        items.push({ kind: 'transaction', transaction, piece, bytes });
      }
      if (header.kind !== 'heartbeat') continue;
      const { replica, lastSequence: sequence, vector } = header;
      items.push({ kind: 'heartbeat', replica, sequence, vector, bytes: HEARTBEAT_BYTES });
    }
    await inbox.offer(origin, items, signal);
  }
}
