import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import { Packr } from 'msgpackr';
import { EverywriteError } from '#core/errors.ts';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import type { ReplicaId } from '#core/region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { formatVector, parseVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { decodeBody, encodeBody } from '#replicator/engine/log/frame-body.ts';

/**
 * The log's unit of storage, specified in replicator/PROTOCOL.md: one or more transactions, a part of
 * a large one, or a heartbeat. The outer array is readable without touching the body.
 */
export interface FrameHeader {
  readonly kind: 'transactions' | 'part' | 'heartbeat';
  readonly replica: ReplicaId;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Ascending within a replica's log; identifies the frame (with `part`). */
  readonly endLsn: Lsn;
  readonly hlc: Hlc;
  /** The markers met by capture up to here: the row of the stability matrix. */
  readonly vector: VersionVector;
  readonly settingsId: number;
  /** 0 unless `kind` is `part`; then 1, 2, … */
  readonly part: number;
  readonly lastPart: boolean;
  /** The origin's clock when it wrote this; microseconds. */
  readonly wallUs: number;
}

export interface Frame {
  readonly header: FrameHeader;
  /** Empty for a heartbeat; for a part, one transaction with some of its operations. */
  readonly transactions: () => readonly ChangeTransaction[];
}

const VERSION = 1;
const KINDS = ['transactions', 'part', 'heartbeat'] as const;
const RAW = 0;
const ZSTD = 1;
// Below this the call costs more (20 µs at both ends) than the bytes it saves are worth.
const COMPRESS_FROM_BYTES = 2048;
const MAX_BODY_BYTES = 256 * 1024 * 1024;

const packr = new Packr({ useRecords: false });

export function encodeFrame(
  header: FrameHeader,
  transactions: readonly ChangeTransaction[],
): Uint8Array {
  const plain = transactions.length === 0 ? null : packr.pack(encodeBody(transactions));
  const compress = plain !== null && plain.length >= COMPRESS_FROM_BYTES;
  const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
  const body = compress ? zstdCompressSync(plain, level) : plain;
  return packr.pack([
    VERSION,
    KINDS.indexOf(header.kind),
    header.replica,
    header.firstSequence,
    header.lastSequence,
    header.endLsn,
    header.hlc,
    formatVector(header.vector),
    header.settingsId,
    header.part,
    header.lastPart,
    header.wallUs,
    compress ? ZSTD : RAW,
    body,
  ]);
}

export function decodeFrame(bytes: Uint8Array): Frame {
  const fields = unpack(bytes);
  const kind = KINDS[Number(fields[1])];
  if (fields[0] !== VERSION || kind === undefined) throw unreadable(`version ${String(fields[0])}`);
  const header: FrameHeader = {
    kind,
    replica: fields[2] as ReplicaId,
    firstSequence: Number(fields[3]),
    lastSequence: Number(fields[4]),
    endLsn: Number(fields[5]) as Lsn,
    hlc: Number(fields[6]) as Hlc,
    vector: parseVector(String(fields[7])),
    settingsId: Number(fields[8]),
    part: Number(fields[9]),
    lastPart: fields[10] === true,
    wallUs: Number(fields[11]),
  };
  const body = fields[13];
  return {
    header,
    transactions: () => readable('body', () => readBody(header, Number(fields[12]), body)),
  };
}

function readBody(header: FrameHeader, codec: number, body: unknown): readonly ChangeTransaction[] {
  if (body === null) return [];
  if (!(body instanceof Uint8Array)) throw unreadable('body');
  const plain =
    codec === ZSTD ? zstdDecompressSync(body, { maxOutputLength: MAX_BODY_BYTES }) : body;
  return decodeBody(header.replica, unpack(plain));
}

function unpack(bytes: Uint8Array): readonly unknown[] {
  const value: unknown = readable('bytes', () => packr.unpack(bytes));
  if (!Array.isArray(value)) throw unreadable('outer array');
  return value;
}

// Whatever a decoder says of damaged bytes, it is the log that is damaged.
function readable<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof EverywriteError ? error : unreadable(what, error);
  }
}

function unreadable(what: string, cause?: unknown): EverywriteError {
  return new EverywriteError({
    code: 'LOG_CORRUPT',
    recovery: 'operator',
    cause,
    message:
      `A log frame cannot be read (${what}): it was written by a newer Everywrite, or the stream is ` +
      `damaged. Update this region, or restore the stream from a peer's copy.`,
  });
}
