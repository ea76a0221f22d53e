import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import type { ChangeTransaction, Piece } from '#core/transaction.ts';
import { WHOLE } from '#core/transaction.ts';
import type { CaptureState } from '#replicator/engine/capture/capture.ts';
import { ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import { headerOf, keyOf, TABLE } from '#tests/conflict/region-histories.ts';

export const EU = replicaId(parseRegionId('eu'), 1);

export const STATE: CaptureState = {
  replica: EU,
  sequence: 0,
  hlc: 0 as Hlc,
  vector: EMPTY_VECTOR,
  settings: { id: 1, tables: {}, clockOffsetUs: 0 },
};

/** A transaction of `eu` with one insert; its WAL positions follow from its sequence. */
export function ownTransaction(sequence: number, text: string): ChangeTransaction {
  const key = keyOf(sequence);
  const values = [key, text, '0'];
  const ops = [{ kind: 'insert' as const, relation: TABLE, key, values }];
  return { ...headerOf(EU, sequence, sequence * 1000, EMPTY_VECTOR), ops };
}

/** As capture hands it to the publisher. */
export function ownRecord(sequence: number, xid = sequence + 700, piece: Piece = WHOLE): OwnRecord {
  const transaction = ownTransaction(sequence, `v${sequence}`);
  // Pieces before the last one stand where the commit record begins.
  const { commitLsn, endLsn } = transaction;
  const placed = { ...transaction, endLsn: piece.last ? endLsn : commitLsn };
  const { hlc } = transaction;
  return ownTransactionRecord(placed, piece, xid, { ...STATE, sequence, hlc });
}

export function ownHeartbeat(sequence: number, at = 1): OwnRecord {
  const endLsn = (sequence * 100 + 40 + at) as Lsn;
  const state = { ...STATE, sequence, hlc: (sequence * 1000) as Hlc };
  return { kind: 'heartbeat', endLsn, wallUs: sequence, state, bytes: 100 };
}
