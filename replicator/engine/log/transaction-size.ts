import type { Cell, ChangeTransaction, RowOp } from '#core/transaction.ts';
import type { PgText } from '#core/relation.ts';

/**
 * Uncompressed; JetStream's default max_payload is 1 MiB, and a frame that does not compress must fit.
 * A transaction larger than this travels, and is applied, in pieces.
 */
export const FRAME_BYTES_MAX = 512 * 1024;

const PER_OPERATION_BYTES = 64;
const PER_CELL_BYTES = 16;
const PER_TRANSACTION_BYTES = 200;
// What objects, arrays and boxed numbers add once a transaction is decoded.
const HEAP_PER_OPERATION_BYTES = 100;
const HEAP_PER_TRANSACTION_BYTES = 250;

/** Roughly what a transaction takes before compression: cuts frames. */
export function transactionBytes(transaction: ChangeTransaction): number {
  let bytes = PER_TRANSACTION_BYTES;
  for (const op of transaction.ops) bytes += operationBytes(op);
  return bytes;
}

export function operationBytes(op: RowOp): number {
  switch (op.kind) {
    case 'truncate':
      return PER_OPERATION_BYTES;
    case 'update': {
      let bytes = PER_OPERATION_BYTES + op.key.length;
      for (const cell of op.cells) bytes += cellBytes(cell);
      return bytes;
    }
    case 'delete': {
      // A verdict carries both rows once more.
      const { winner, loser } = op.cause ?? {};
      const told = (winner?.row.length ?? 0) + (loser?.row.length ?? 0);
      return PER_OPERATION_BYTES + textBytes(op.values) + told;
    }
    default:
      return PER_OPERATION_BYTES + textBytes(op.values);
  }
}

function cellBytes(cell: Cell): number {
  if (typeof cell === 'string') return cell.length;
  if (cell?.kind !== 'patch') return PER_CELL_BYTES;
  let bytes = PER_CELL_BYTES;
  for (const [path, value] of cell.writes) bytes += path.length + (value?.length ?? 1);
  for (const [path, , splices] of cell.edits) {
    bytes += path.length + PER_CELL_BYTES;
    for (const [, , inserted] of splices) {
      bytes += PER_CELL_BYTES;
      if (typeof inserted === 'string') bytes += inserted.length;
      else for (const element of inserted) bytes += element.length + 1;
    }
  }
  return bytes;
}

function textBytes(values: readonly PgText[]): number {
  let bytes = 0;
  for (const value of values) bytes += value === null ? 1 : value.length;
  return bytes;
}

/** Roughly what it takes in memory, decoded: bounds queues. */
export function heapBytes(transaction: ChangeTransaction): number {
  const objects = HEAP_PER_TRANSACTION_BYTES + transaction.ops.length * HEAP_PER_OPERATION_BYTES;
  return transactionBytes(transaction) + objects;
}
