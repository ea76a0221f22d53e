import { decodeRelation, decodeType } from '#replicator/engine/pgoutput/decode-relation.ts';
import { decodePrepared, decodeStream } from '#replicator/engine/pgoutput/decode-stream.ts';
import type { PgoutputMessage, Tuple, TupleCell } from '#replicator/engine/pgoutput/message.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import { MessageReader } from '#replicator/engine/pgoutput/reader.ts';
import {
  CELL,
  MESSAGE_TRANSACTIONAL,
  TAG,
  TRUNCATE_CASCADE,
  TRUNCATE_RESTART_IDENTITY,
  TUPLE,
} from '#replicator/engine/pgoutput/wire.ts';

/**
 * Decodes one session's messages, in order: inside a stream block (protocol 2 and newer) row messages
 * carry a transaction id that they do not have outside, and nothing but the order tells.
 */
export class PgoutputDecoder {
  readonly #reader = new MessageReader();
  #streaming = false;

  /** Throws DECODE_FAILED. Nothing in the result refers to `bytes`. */
  decode(bytes: Uint8Array): PgoutputMessage {
    const reader = this.#reader;
    reader.open(bytes);
    const message = this.#decode(reader);
    reader.finish();
    if (message.kind === 'streamStart') this.#streaming = true;
    else if (message.kind === 'streamStop') this.#streaming = false;
    return message;
  }

  #decode(reader: MessageReader): PgoutputMessage {
    const tag = reader.u8();
    switch (tag) {
      case TAG.begin:
        return decodeBegin(reader);
      case TAG.commit:
        return decodeCommit(reader);
      case TAG.origin:
        return { kind: 'origin', originLsn: reader.lsn(), name: reader.cString() };
      case TAG.streamStart:
      case TAG.streamStop:
      case TAG.streamCommit:
      case TAG.streamAbort:
        return decodeStream(tag, reader);
      case TAG.beginPrepare:
      case TAG.prepare:
      case TAG.commitPrepared:
      case TAG.rollbackPrepared:
      case TAG.streamPrepare:
        return decodePrepared(tag, reader);
      default:
        return decodeChange(tag, reader, this.#streaming);
    }
  }
}

function decodeChange(tag: number, reader: MessageReader, streaming: boolean): PgoutputMessage {
  switch (tag) {
    case TAG.insert:
      return decodeInsert(reader, xidOf(reader, streaming));
    case TAG.update:
      return decodeUpdate(reader, xidOf(reader, streaming));
    case TAG.delete:
      return decodeDelete(reader, xidOf(reader, streaming));
    case TAG.relation:
      return decodeRelation(reader, xidOf(reader, streaming));
    case TAG.type:
      return decodeType(reader, xidOf(reader, streaming));
    case TAG.truncate:
      return decodeTruncate(reader, xidOf(reader, streaming));
    case TAG.message:
      return decodeLogicalMessage(reader, xidOf(reader, streaming));
    default:
      return reader.fail('this decoder does not know it');
  }
}

function xidOf(reader: MessageReader, streaming: boolean): number | null {
  return streaming ? reader.u32() : null;
}

function decodeBegin(reader: MessageReader): PgoutputMessage {
  const commitLsn = reader.lsn();
  const commitTimeUs = reader.timeUs();
  return { kind: 'begin', commitLsn, commitTimeUs, xid: reader.u32() };
}

function decodeCommit(reader: MessageReader): PgoutputMessage {
  if (reader.u8() !== 0) reader.fail('flags, of which none is defined');
  const commitLsn = reader.lsn();
  const endLsn = reader.lsn();
  return { kind: 'commit', commitLsn, endLsn, commitTimeUs: reader.timeUs() };
}

function decodeInsert(reader: MessageReader, xid: number | null): PgoutputMessage {
  const relationOid = reader.u32();
  if (reader.u8() !== TUPLE.new) reader.fail('no new row');
  return { kind: 'insert', xid, relationOid, values: decodeTuple(reader) };
}

function decodeUpdate(reader: MessageReader, xid: number | null): PgoutputMessage {
  const relationOid = reader.u32();
  let oldKey: Tuple | null = null;
  let oldValues: Tuple | null = null;
  let part = reader.u8();
  if (part === TUPLE.key || part === TUPLE.old) {
    if (part === TUPLE.key) oldKey = decodeTuple(reader);
    else oldValues = decodeTuple(reader);
    part = reader.u8();
  }
  if (part !== TUPLE.new) reader.fail('no new row');
  return { kind: 'update', xid, relationOid, oldKey, oldValues, values: decodeTuple(reader) };
}

function decodeDelete(reader: MessageReader, xid: number | null): PgoutputMessage {
  const relationOid = reader.u32();
  const part = reader.u8();
  if (part !== TUPLE.key && part !== TUPLE.old) reader.fail('no old row and no old key');
  const tuple = decodeTuple(reader);
  const oldKey = part === TUPLE.key ? tuple : null;
  return { kind: 'delete', xid, relationOid, oldKey, oldValues: oldKey === null ? tuple : null };
}

function decodeTuple(reader: MessageReader): Tuple {
  const count = reader.u16();
  const cells: TupleCell[] = [];
  for (let position = 0; position < count; position += 1) {
    const kind = reader.u8();
    if (kind === CELL.text) cells.push(reader.text(reader.u32()));
    else if (kind === CELL.null) cells.push(null);
    else if (kind === CELL.unchanged) cells.push(UNCHANGED);
    else reader.fail(badCell(kind, position));
  }
  return cells;
}

function badCell(kind: number, position: number): string {
  return kind === CELL.binary
    ? `column ${position + 1} is in binary format, which was never asked for`
    : `column ${position + 1} is of unknown kind ${kind}`;
}

function decodeTruncate(reader: MessageReader, xid: number | null): PgoutputMessage {
  const count = reader.u32();
  const flags = reader.u8();
  const relationOids: number[] = [];
  for (let position = 0; position < count; position += 1) relationOids.push(reader.u32());
  const cascade = (flags & TRUNCATE_CASCADE) !== 0;
  const restartIdentity = (flags & TRUNCATE_RESTART_IDENTITY) !== 0;
  return { kind: 'truncate', xid, relationOids, cascade, restartIdentity };
}

function decodeLogicalMessage(reader: MessageReader, xid: number | null): PgoutputMessage {
  const transactional = (reader.u8() & MESSAGE_TRANSACTIONAL) !== 0;
  const lsn = reader.lsn();
  const prefix = reader.cString();
  const content = reader.copy(reader.u32());
  return { kind: 'message', xid, transactional, lsn, prefix, content };
}
