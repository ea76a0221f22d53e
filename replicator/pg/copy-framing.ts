import type { Lsn } from '#core/lsn.ts';
import { lsnFromHalves } from '#core/lsn.ts';
import { EverywriteError } from '#core/errors.ts';
import { MessageWriter } from '#replicator/engine/pgoutput/writer.ts';

const XLOG_DATA = 0x77; // w
const KEEPALIVE = 0x6b; // k
const STATUS_UPDATE = 0x72; // r

const XLOG_DATA_HEADER_BYTES = 25;
const KEEPALIVE_BYTES = 18;

/** What the walsender puts around its messages inside CopyData. */
export type CopyFrame =
  | { readonly kind: 'data'; readonly walStart: Lsn; readonly messageAt: number }
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn; readonly replyRequested: boolean };

/** The pgoutput message of a data frame is `chunk` from `messageAt` on: a view of it would cost too much. */
export function readCopyFrame(chunk: Buffer): CopyFrame {
  const tag = chunk[0];
  if (tag === XLOG_DATA && chunk.byteLength >= XLOG_DATA_HEADER_BYTES) {
    return { kind: 'data', walStart: readLsn(chunk, 1), messageAt: XLOG_DATA_HEADER_BYTES };
  }
  if (tag === KEEPALIVE && chunk.byteLength >= KEEPALIVE_BYTES) {
    return { kind: 'keepalive', walEnd: readLsn(chunk, 1), replyRequested: chunk[17] !== 0 };
  }
  throw new EverywriteError({
    code: 'DECODE_FAILED',
    recovery: 'restart',
    message: `The walsender sent ${chunk.byteLength} bytes that begin with ${tag}: neither data nor keepalive.`,
  });
}

/**
 * Everything before `position` is written, flushed and applied. All three are the same: the server
 * answers a smaller one with keepalives, which an idle slot needs to move.
 */
export function statusUpdate(position: Lsn, nowUs: number, replyRequested: boolean): Buffer {
  const writer = new MessageWriter().u8(STATUS_UPDATE);
  writer.lsn(position).lsn(position).lsn(position);
  const bytes = writer
    .timeUs(nowUs)
    .u8(replyRequested ? 1 : 0)
    .finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readLsn(chunk: Buffer, at: number): Lsn {
  return lsnFromHalves(chunk.readUInt32BE(at), chunk.readUInt32BE(at + 4));
}
