import { EverywriteError } from '#core/errors.ts';
import { WHOLE } from '#core/transaction.ts';
import type { ChangeTransaction, Piece } from '#core/transaction.ts';
import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/** A transaction, or some of its operations. */
export interface LoggedPiece {
  readonly transaction: ChangeTransaction;
  readonly piece: Piece;
}

/** Reads frames in order: each dot once, and each piece of a large transaction once. */
export class FrameReader {
  #sequence: number;
  /** Pieces seen of the transaction after `#sequence`; an origin that restarted sends them again. */
  #parts = 0;

  /** `sequence` is the last one the reader already has whole. */
  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  push(entry: LogEntry): { readonly header: FrameHeader; readonly pieces: readonly LoggedPiece[] } {
    const { header, transactions } = decodeFrame(entry.frame);
    if (header.kind === 'heartbeat' || header.lastSequence <= this.#sequence) {
      return { header, pieces: [] };
    }
    if (header.kind === 'part') return { header, pieces: this.#part(header, transactions()) };
    const fresh = transactions().filter(({ sequence }) => sequence > this.#sequence);
    for (const { sequence } of fresh) {
      this.#expect(header, sequence);
      this.#sequence = sequence;
    }
    return { header, pieces: fresh.map((transaction) => ({ transaction, piece: WHOLE })) };
  }

  #part(header: FrameHeader, [transaction]: readonly ChangeTransaction[]): readonly LoggedPiece[] {
    this.#expect(header, header.lastSequence);
    if (transaction === undefined || header.part <= this.#parts) return [];
    if (header.part !== this.#parts + 1) throw outOfOrder(header);
    this.#parts = header.part;
    if (header.lastPart) {
      this.#sequence = header.lastSequence;
      this.#parts = 0;
    }
    return [{ transaction, piece: { part: header.part, last: header.lastPart } }];
  }

  #expect({ replica }: FrameHeader, sequence: number): void {
    if (sequence === this.#sequence + 1) return;
    throw new EverywriteError({
      code: 'LOG_GAP',
      recovery: 'restart',
      message: `The log of ${replica} goes from ${this.#sequence} to ${sequence}; reading starts again.`,
    });
  }
}

/** Every piece after `sequence` that is stored now, in order; then it ends. */
export async function* storedPieces(
  stream: LogStream,
  from: number,
  sequence: number,
  signal: AbortSignal,
): AsyncGenerator<LoggedPiece> {
  const { last } = await stream.bounds();
  if (from > last) return;
  const reader = new FrameReader(sequence);
  for await (const entries of stream.read(from, signal)) {
    for (const entry of entries) {
      yield* reader.push(entry).pieces;
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
