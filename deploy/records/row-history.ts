import { relationId } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { compareStamps } from '#core/transaction.ts';
import type { RowOp, TransactionHeader } from '#core/transaction.ts';
import { parseVector, sequenceOf } from '#core/version-vector.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { NatsLogStores } from '#replicator/nats/log-stores.ts';

/** Of each log, the newest frames that one question reads: about 20 million changes. */
const FRAMES_MAX = 20_000;

/** One operation on the row, as the log has it. */
export interface LoggedOp {
  readonly by: TransactionHeader;
  readonly op: RowOp;
  /** False: in this region's log, but not in its tables yet. */
  readonly applied: boolean;
}

export interface RowHistory {
  /** In the order of stamps, which extends causality. */
  readonly ops: readonly LoggedOp[];
  /** Per region: since when its log goes back here (microseconds), and whether all of it was read. */
  readonly logs: Readonly<
    Record<string, { readonly sinceHlc: number | null; readonly whole: boolean }>
  >;
}

/** Everything that this region's copies of the logs still hold about one row. */
export async function readRowHistory(
  config: ClusterConfig,
  region: RegionConfig,
  question: { readonly table: string; readonly key: RowKey; readonly applied: string },
  signal: AbortSignal,
): Promise<RowHistory> {
  const stores = new NatsLogStores({
    cluster: config.cluster,
    region: region.region,
    localUrl: region.nats,
    peerUrls: {},
    limits: { replicas: config.log.replicas, streamBytesMax: config.log.maxBytes },
    logger: { log: () => undefined },
  });
  try {
    const store = await stores.local();
    const vector = parseVector(question.applied);
    const ops: LoggedOp[] = [];
    const logs: Record<string, { sinceHlc: number | null; whole: boolean }> = {};
    for (const origin of config.regions.keys()) {
      const stream = await store.stream(origin, false);
      if (stream === null) continue;
      const own = origin === region.region;
      const read = await readStream(stream, question, signal);
      logs[origin] = { sinceHlc: read.sinceHlc, whole: read.whole };
      for (const { by, op } of read.ops) {
        ops.push({ by, op, applied: own || sequenceOf(vector, by.replica) >= by.sequence });
      }
    }
    return { ops: ops.toSorted((left, right) => compareStamps(left.by, right.by)), logs };
  } finally {
    await stores.close();
  }
}

interface ReadStream {
  readonly ops: readonly Pick<LoggedOp, 'by' | 'op'>[];
  readonly sinceHlc: number | null;
  readonly whole: boolean;
}

async function readStream(
  stream: LogStream,
  { table, key }: { readonly table: string; readonly key: RowKey },
  signal: AbortSignal,
): Promise<ReadStream> {
  const { first, last } = await stream.bounds();
  const from = Math.max(first, last - FRAMES_MAX + 1);
  const ops: Pick<LoggedOp, 'by' | 'op'>[] = [];
  let sinceHlc: number | null = null;
  if (last === 0 || from > last) return { ops, sinceHlc, whole: true };
  // A frame may be in a log twice: an origin that restarted sends its last ones again.
  let seen = { sequence: 0, part: 0 };
  for await (const entries of stream.read(from, signal)) {
    for (const { frame, position } of entries) {
      const { header, transactions } = decodeFrame(frame);
      sinceHlc ??= header.hlc;
      const again =
        header.lastSequence < seen.sequence ||
        (header.lastSequence === seen.sequence && header.part <= seen.part);
      if (header.kind !== 'heartbeat' && !again) {
        for (const by of transactions()) {
          if (by.sequence < seen.sequence) continue;
          for (const op of by.ops) if (concerns(op, table, key)) ops.push({ by, op });
        }
        seen = { sequence: header.lastSequence, part: header.part };
      }
      if (position >= last) return { ops, sinceHlc, whole: from === first };
    }
  }
  return { ops, sinceHlc, whole: from === first };
}

function concerns(op: RowOp, table: string, key: RowKey): boolean {
  if (relationId(op.relation) !== table) return false;
  return op.kind === 'truncate' || op.key === key;
}
