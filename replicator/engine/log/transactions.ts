import { EverywriteError } from '#core/errors.ts';
import type { ChangeTransaction, RowOp } from '#core/transaction.ts';
import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/** Puts frames back together: whole transactions and heartbeats, each dot once. */
export class Assembler {
  readonly #parts: RowOp[] = [];
  #partOf: FrameHeader | null = null;
  #sequence: number;

  /** `sequence` is the last one the reader already has. */
  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  push(entry: LogEntry): {
    readonly header: FrameHeader;
    readonly transactions: readonly ChangeTransaction[];
  } {
    const { header, transactions } = decodeFrame(entry.frame);
    if (header.kind === 'heartbeat' || header.lastSequence <= this.#sequence) {
      return { header, transactions: [] };
    }
    if (header.kind === 'part') return { header, transactions: this.#part(header, transactions()) };
    const fresh = transactions().filter(({ sequence }) => sequence > this.#sequence);
    this.#advance(fresh);
    return { header, transactions: fresh };
  }

  #part(
    header: FrameHeader,
    [transaction]: readonly ChangeTransaction[],
  ): readonly ChangeTransaction[] {
    if (transaction === undefined) return [];
    if (header.part === 1) this.#parts.length = 0;
    else if (this.#partOf?.part !== header.part - 1) throw outOfOrder(header);
    this.#partOf = header;
    for (const op of transaction.ops) this.#parts.push(op);
    if (!header.lastPart) return [];
    const whole = { ...transaction, ops: this.#parts.slice() };
    this.#parts.length = 0;
    this.#partOf = null;
    this.#advance([whole]);
    return [whole];
  }

  #advance(transactions: readonly ChangeTransaction[]): void {
    for (const { sequence, replica } of transactions) {
      if (sequence !== this.#sequence + 1) {
        throw new EverywriteError({
          code: 'LOG_GAP',
          recovery: 'restart',
          message: `The log of ${replica} goes from ${this.#sequence} to ${sequence}; reading starts again.`,
        });
      }
      this.#sequence = sequence;
    }
  }
}

/** Every whole transaction after `sequence` that is stored now, in order; then it ends. */
export async function* storedTransactions(
  stream: LogStream,
  from: number,
  sequence: number,
  signal: AbortSignal,
): AsyncGenerator<ChangeTransaction> {
  const { last } = await stream.bounds();
  if (from > last) return;
  const assembler = new Assembler(sequence);
  for await (const entries of stream.read(from, signal)) {
    for (const entry of entries) {
      yield* assembler.push(entry).transactions;
      if (entry.position >= last) return;
    }
  }
}

function outOfOrder(header: FrameHeader): EverywriteError {
  return new EverywriteError({
    code: 'LOG_CORRUPT',
    recovery: 'restart',
    message: `Part ${header.part} of ${header.replica}:${header.lastSequence} follows the wrong frame.`,
  });
}
