import type { ChangeTransaction, RowOp } from '#core/transaction.ts';
import type { LoggedPiece } from '#replicator/engine/log/transactions.ts';
import { transactionBytes } from '#replicator/engine/log/transaction-size.ts';
import type { FeedTransaction } from '#gateway/feed/release-order.ts';

/** Joins the pieces of large transactions of one origin; what is too large is passed on without its operations. */
export class Assembly {
  readonly #bytesMax: number;
  #ops: (readonly RowOp[])[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The transaction that this piece completes; null when more pieces follow. */
  push({ transaction, piece }: LoggedPiece): FeedTransaction | null {
    if (piece.part === 0) return whole(transaction);
    this.#bytes += transactionBytes(transaction);
    if (this.#bytes > this.#bytesMax) this.#ops = [];
    else this.#ops.push(transaction.ops);
    if (!piece.last) return null;
    const ops = this.#bytes > this.#bytesMax ? null : this.#ops.flat();
    const assembled = { header: transaction, ops, bytes: ops === null ? 0 : this.#bytes };
    this.#ops = [];
    this.#bytes = 0;
    return assembled;
  }
}

function whole(transaction: ChangeTransaction): FeedTransaction {
  return { header: transaction, ops: transaction.ops, bytes: transactionBytes(transaction) };
}
