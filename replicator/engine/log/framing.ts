import type { Lsn } from '#core/lsn.ts';
import type { ChangeTransaction, Piece } from '#core/transaction.ts';
import { encodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import { FRAME_BYTES_MAX, transactionBytes } from '#replicator/engine/log/transaction-size.ts';
import type { CaptureState } from '#replicator/engine/capture/capture.ts';

/** What capture has produced and the log does not yet hold. */
export type OwnRecord =
  | {
      readonly kind: 'transaction';
      readonly transaction: ChangeTransaction;
      readonly piece: Piece;
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

const FRAME_TRANSACTIONS_MAX = 1000;

/** Packs records into frames: small transactions together, a piece of a large one by itself. */
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
    if (full || record.piece.part > 0) flush();
    group.push(record);
    bytes += record.bytes;
    if (record.piece.part > 0) flush();
  }
  flush();
  return frames;
}

function groupFrame(group: readonly Extract<OwnRecord, { kind: 'transaction' }>[]): EncodedFrame {
  const transactions = group.map(({ transaction }) => transaction);
  const first = group[0];
  const last = group.at(-1);
  if (first === undefined || last === undefined) throw new RangeError('an empty frame');
  const header = headerOf(last, first.transaction.sequence);
  return { header, bytes: encodeFrame(header, transactions) };
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
  { transaction, state, piece }: Extract<OwnRecord, { kind: 'transaction' }>,
  firstSequence: number,
): FrameHeader {
  return {
    kind: piece.part === 0 ? 'transactions' : 'part',
    replica: transaction.replica,
    firstSequence,
    lastSequence: transaction.sequence,
    endLsn: transaction.endLsn,
    hlc: transaction.hlc,
    vector: transaction.deps,
    settingsId: state.settings.id,
    part: piece.part,
    lastPart: piece.last,
    wallUs: transaction.commitTimeUs,
  };
}

export function ownTransactionRecord(
  transaction: ChangeTransaction,
  piece: Piece,
  xid: number,
  state: CaptureState,
): OwnRecord {
  const bytes = transactionBytes(transaction);
  return { kind: 'transaction', transaction, piece, xid, state, bytes };
}
