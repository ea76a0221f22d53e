import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { byCodeUnit, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

/**
 * Who did it, when, and what they had seen. Its dot (replica, sequence) names the transaction in every
 * region for ever; its stamp (hlc, region, epoch, sequence) decides winners.
 */
export interface TransactionHeader {
  readonly replica: ReplicaId;
  readonly region: RegionId;
  readonly epoch: number;
  /** Dense, from 1, in the origin's commit order. */
  readonly sequence: number;
  readonly hlc: Hlc;
  /** What was visible in the origin; its own earlier transactions are implied by `sequence`. */
  readonly deps: VersionVector;
  readonly commitLsn: Lsn;
  /** One past the commit record: the only position that may be acknowledged to the slot. */
  readonly endLsn: Lsn;
  readonly commitTimeUs: number;
}

/** A counter's change: `amount` is a decimal text, possibly negative. */
export interface AddCell {
  readonly kind: 'add';
  readonly amount: string;
}

/** A value to be joined in: the column is at least this, in the order of its type. */
export interface JoinCell {
  readonly kind: 'join';
  readonly value: string;
}

/** A part of a value, by path, as it now is; null: it is gone. */
export type PathWrite = readonly [path: string, value: string | null];

/** `deleted` units at `position` gave way to `inserted`: characters of a text, or elements of a list. */
export type Splice = readonly [
  position: number,
  deleted: number,
  inserted: string | readonly string[],
];

/** Changes of one sequence, ascending, all in positions of the sequence as it was, `length` units long. */
export type SequenceEdit = readonly [path: string, length: number, splices: readonly Splice[]];

/** Parts of a value that changed: elements of a set, keys of an object, stretches of a text or list. */
export interface PatchCell {
  readonly kind: 'patch';
  readonly writes: readonly PathWrite[];
  readonly edits: readonly SequenceEdit[];
}

/** A change that is not the whole value. */
export type DeltaCell = AddCell | JoinCell | PatchCell;

/** What one column of an UPDATE meant: an assignment (the text itself) or a typed delta. */
export type Cell = PgText | DeltaCell;

export interface InsertOp {
  readonly kind: 'insert';
  readonly relation: Relation;
  readonly key: RowKey;
  /** All columns of `relation`, in order. */
  readonly values: readonly PgText[];
  /** The origin's own table shows something else than this means: it must be projected there, too. */
  readonly askew?: boolean;
}

export interface UpdateOp {
  readonly kind: 'update';
  readonly relation: Relation;
  readonly key: RowKey;
  /** Positions of the columns that changed, ascending, and what each change meant. */
  readonly columns: readonly number[];
  readonly cells: readonly Cell[];
  /** As for an insert: a maximum that was lowered, a set out of order. */
  readonly askew?: boolean;
}

export interface DeleteOp {
  readonly kind: 'delete';
  readonly relation: Relation;
  readonly key: RowKey;
  /** The row as it was: whoever brings it back needs the columns nobody else changed. */
  readonly values: readonly PgText[];
  /** Set when apply took the row out because another one keeps its unique value. */
  readonly cause?: UniqueVerdict;
}

/** Two rows claimed a value that only one may have; it is recorded wherever the deletion is folded. */
export interface UniqueVerdict {
  readonly constraint: string;
  readonly winner: UniqueContender;
  readonly loser: UniqueContender;
}

export interface UniqueContender {
  readonly dot: string;
  readonly region: string;
  readonly hlc: number;
  /** How far its writer had seen the other's region. */
  readonly saw: number;
  /** The whole row, a JSON object of texts. */
  readonly row: string;
}

export interface TruncateOp {
  readonly kind: 'truncate';
  readonly relation: Relation;
}

export type KeyedOp = InsertOp | UpdateOp | DeleteOp;
export type RowOp = KeyedOp | TruncateOp;

export interface ChangeTransaction extends TransactionHeader {
  readonly ops: readonly RowOp[];
}

/** Where in its transaction a piece stands. A transaction larger than a frame travels in pieces. */
export interface Piece {
  /** 0 for a whole transaction, else 1, 2, … */
  readonly part: number;
  readonly last: boolean;
}

export const WHOLE: Piece = { part: 0, last: true };

/** True when `earlier` was visible to the writer of `later` (or is it). */
export function happenedBefore(earlier: TransactionHeader, later: TransactionHeader): boolean {
  if (earlier.replica === later.replica) return earlier.sequence <= later.sequence;
  return sequenceOf(later.deps, earlier.replica) >= earlier.sequence;
}

/** The same transaction, whichever decoded copy of its header is at hand. */
export function sameDot(left: TransactionHeader, right: TransactionHeader): boolean {
  return left.replica === right.replica && left.sequence === right.sequence;
}

/** Neither writer had seen the other. Exact, not a guess from clocks. */
export function concurrent(left: TransactionHeader, right: TransactionHeader): boolean {
  return !happenedBefore(left, right) && !happenedBefore(right, left);
}

/** The total order of stamps. It extends causality, and reads nothing local. */
export function compareStamps(left: TransactionHeader, right: TransactionHeader): number {
  if (left.hlc !== right.hlc) return left.hlc - right.hlc;
  if (left.region !== right.region) return byCodeUnit(left.region, right.region);
  if (left.epoch !== right.epoch) return left.epoch - right.epoch;
  return left.sequence - right.sequence;
}

export function formatDot(header: {
  readonly replica: ReplicaId;
  readonly sequence: number;
}): string {
  return `${header.replica}:${header.sequence}`;
}
