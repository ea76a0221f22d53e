import type { Timers } from '#core/ports.ts';
import type { RegionId } from '#core/region.ts';
import type { Inbox, InboxItem } from '#replicator/engine/apply/inbox.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import { FrameReader } from '#replicator/engine/log/transactions.ts';
import { heapBytes } from '#replicator/engine/log/transaction-size.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

const HEARTBEAT_BYTES = 100;
/** After decoding so many operations others get a turn: apply's answers wait behind it. */
const TURN_OPERATIONS = 1000;

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
  timers: Timers,
  signal: AbortSignal,
): Promise<void> {
  const from = await positionAfter(copy, after);
  const reader = new FrameReader(after);
  let decoded = 0;
  for await (const entries of copy.read(from, signal)) {
    let items: InboxItem[] = [];
    for (const entry of entries) {
      const { header, pieces } = reader.push(entry);
      seen(header);
      for (const { transaction, piece } of pieces) {
        const bytes = heapBytes(transaction);
        items.push({ kind: 'transaction', transaction, piece, bytes });
        decoded += transaction.ops.length;
      }
      if (header.kind === 'heartbeat') {
        const { replica, lastSequence: sequence, vector } = header;
        items.push({ kind: 'heartbeat', replica, sequence, vector, bytes: HEARTBEAT_BYTES });
      }
      if (decoded < TURN_OPERATIONS) continue;
      decoded = 0;
      await inbox.offer(origin, items, signal);
      items = [];
      await timers.sleep(0);
    }
    await inbox.offer(origin, items, signal);
  }
}
