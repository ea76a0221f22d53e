import type { Lsn } from '#core/lsn.ts';
import type { ChangeTransaction, RowOp } from '#core/transaction.ts';
import { encodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import { operationBytes, transactionBytes } from '#replicator/engine/log/transaction-size.ts';
import type { CaptureState } from '#replicator/engine/capture/capture.ts';

/** What capture has produced and the log does not yet hold. */
export type OwnRecord =
  | {
      readonly kind: 'transaction';
      readonly transaction: ChangeTransaction;
      readonly xid: number;
      readonly state: CaptureState;
      readonly bytes: number;
    }
  | {
      readonly kind: 'heartbeat';
      readonly endLsn: Lsn;
      readonly wallUs: number;
      readonly state: CaptureState;
      readonly bytes: number;
    };

export interface EncodedFrame {
  readonly header: FrameHeader;
  readonly bytes: Uint8Array;
}

// Uncompressed; JetStream's default max_payload is 1 MiB, and a frame that does not compress must fit.
export const FRAME_BYTES_MAX = 512 * 1024;
const FRAME_TRANSACTIONS_MAX = 1000;

/** Packs records into frames: small transactions together, a large one in parts. */
export function frameRecords(records: readonly OwnRecord[]): readonly EncodedFrame[] {
  const frames: EncodedFrame[] = [];
  let group: Extract<OwnRecord, { kind: 'transaction' }>[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (group.length > 0) frames.push(groupFrame(group));
    group = [];
    bytes = 0;
  };
  for (const record of records) {
    if (record.kind === 'heartbeat') {
      flush();
      frames.push(heartbeatFrame(record));
      continue;
    }
    const full = bytes + record.bytes > FRAME_BYTES_MAX || group.length >= FRAME_TRANSACTIONS_MAX;
    if (full) flush();
    if (record.bytes > FRAME_BYTES_MAX) frames.push(...partFrames(record));
    else {
      group.push(record);
      bytes += record.bytes;
    }
  }
  flush();
  return frames;
}

function groupFrame(group: readonly Extract<OwnRecord, { kind: 'transaction' }>[]): EncodedFrame {
  const transactions = group.map(({ transaction }) => transaction);
  const first = group[0];
  const last = group.at(-1);
  if (first === undefined || last === undefined) throw new RangeError('an empty frame');
  const header = headerOf(last, 'transactions', first.transaction.sequence, 0, true);
  return { header, bytes: encodeFrame(header, transactions) };
}

function partFrames(record: Extract<OwnRecord, { kind: 'transaction' }>): readonly EncodedFrame[] {
  const parts: RowOp[][] = [[]];
  let bytes = 0;
  for (const op of record.transaction.ops) {
    const size = operationBytes(op);
    if (bytes > 0 && bytes + size > FRAME_BYTES_MAX) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(op);
    bytes += size;
  }
  return parts.map((ops, at) => {
    const { sequence } = record.transaction;
    const header = headerOf(record, 'part', sequence, at + 1, at === parts.length - 1);
    return { header, bytes: encodeFrame(header, [{ ...record.transaction, ops }]) };
  });
}

function heartbeatFrame(record: Extract<OwnRecord, { kind: 'heartbeat' }>): EncodedFrame {
  const { state, endLsn, wallUs } = record;
  const header: FrameHeader = {
    kind: 'heartbeat',
    replica: state.replica,
    firstSequence: state.sequence,
    lastSequence: state.sequence,
    endLsn,
    hlc: state.hlc,
    vector: state.vector,
    settingsId: state.settings.id,
    part: 0,
    lastPart: true,
    wallUs,
  };
  return { header, bytes: encodeFrame(header, []) };
}

function headerOf(
  { transaction, state }: Extract<OwnRecord, { kind: 'transaction' }>,
  kind: 'transactions' | 'part',
  firstSequence: number,
  part: number,
  lastPart: boolean,
): FrameHeader {
  return {
    kind,
    replica: transaction.replica,
    firstSequence,
    lastSequence: transaction.sequence,
    endLsn: transaction.endLsn,
    hlc: transaction.hlc,
    vector: transaction.deps,
    settingsId: state.settings.id,
    part,
    lastPart,
    wallUs: transaction.commitTimeUs,
  };
}

export function ownTransactionRecord(
  transaction: ChangeTransaction,
  xid: number,
  state: CaptureState,
): OwnRecord {
  return { kind: 'transaction', transaction, xid, state, bytes: transactionBytes(transaction) };
}
