import { unreachable } from '#core/assert.ts';
import { encodePrepared, encodeStream } from '#replicator/engine/pgoutput/encode-stream.ts';
import type {
  DeleteMessage,
  LogicalMessage,
  PgoutputMessage,
  RelationMessage,
  TruncateMessage,
  Tuple,
  UpdateMessage,
} from '#replicator/engine/pgoutput/message.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import {
  CELL,
  COLUMN_PART_OF_KEY,
  IDENTITY,
  MESSAGE_TRANSACTIONAL,
  TAG,
  TRUNCATE_CASCADE,
  TRUNCATE_RESTART_IDENTITY,
  TUPLE,
} from '#replicator/engine/pgoutput/wire.ts';
import { MessageWriter } from '#replicator/engine/pgoutput/writer.ts';

const NO_FLAGS = 0;

/** The bytes a walsender would send: the simulator and the tests feed the real decoder with them. */
export function encodeMessage(message: PgoutputMessage): Uint8Array {
  const writer = new MessageWriter().u8(TAG[message.kind]);
  write(writer, message);
  return writer.finish();
}

function write(writer: MessageWriter, message: PgoutputMessage): void {
  switch (message.kind) {
    case 'begin':
      writer.lsn(message.commitLsn).timeUs(message.commitTimeUs).u32(message.xid);
      return;
    case 'commit':
      writer.u8(NO_FLAGS).lsn(message.commitLsn).lsn(message.endLsn).timeUs(message.commitTimeUs);
      return;
    case 'origin':
      writer.lsn(message.originLsn).cString(message.name);
      return;
    case 'streamStart':
    case 'streamStop':
    case 'streamCommit':
    case 'streamAbort':
      encodeStream(writer, message);
      return;
    case 'beginPrepare':
    case 'prepare':
    case 'streamPrepare':
    case 'commitPrepared':
    case 'rollbackPrepared':
      encodePrepared(writer, message);
      return;
    default:
      writeChange(writer, message);
  }
}

type ChangeMessage = Extract<PgoutputMessage, { readonly xid: number | null; kind: ChangeKind }>;
type ChangeKind = 'relation' | 'type' | 'insert' | 'update' | 'delete' | 'truncate' | 'message';

function writeChange(writer: MessageWriter, message: ChangeMessage): void {
  if (message.xid !== null) writer.u32(message.xid);
  switch (message.kind) {
    case 'relation':
      writeRelation(writer, message);
      return;
    case 'type':
      writeSchema(writer.u32(message.typeOid), message.schema).cString(message.name);
      return;
    case 'insert':
      writeTuple(writer.u32(message.relationOid).u8(TUPLE.new), message.values);
      return;
    case 'update':
      writeUpdate(writer, message);
      return;
    case 'delete':
      writeOld(writer.u32(message.relationOid), message);
      return;
    case 'truncate':
      writeTruncate(writer, message);
      return;
    case 'message':
      writeLogicalMessage(writer, message);
      return;
    default:
      unreachable(message);
  }
}

function writeRelation(writer: MessageWriter, message: RelationMessage): void {
  writeSchema(writer.u32(message.relationOid), message.schema).cString(message.name);
  writer.u8(IDENTITY[message.replicaIdentity]).u16(message.columns.length);
  for (const column of message.columns) {
    writer.u8(column.partOfKey ? COLUMN_PART_OF_KEY : 0).cString(column.name);
    writer.u32(column.typeOid).i32(column.typeModifier);
  }
}

function writeSchema(writer: MessageWriter, schema: string): MessageWriter {
  return writer.cString(schema === 'pg_catalog' ? '' : schema);
}

function writeUpdate(writer: MessageWriter, message: UpdateMessage): void {
  writeOld(writer.u32(message.relationOid), message);
  writeTuple(writer.u8(TUPLE.new), message.values);
}

function writeOld(writer: MessageWriter, message: UpdateMessage | DeleteMessage): void {
  if (message.oldKey !== null) writeTuple(writer.u8(TUPLE.key), message.oldKey);
  else if (message.oldValues !== null) writeTuple(writer.u8(TUPLE.old), message.oldValues);
}

function writeTuple(writer: MessageWriter, tuple: Tuple): void {
  writer.u16(tuple.length);
  for (const cell of tuple) {
    if (cell === null) writer.u8(CELL.null);
    else if (cell === UNCHANGED) writer.u8(CELL.unchanged);
    else writer.u8(CELL.text).text(cell);
  }
}

function writeTruncate(writer: MessageWriter, message: TruncateMessage): void {
  const cascade = message.cascade ? TRUNCATE_CASCADE : 0;
  const restart = message.restartIdentity ? TRUNCATE_RESTART_IDENTITY : 0;
  writer.u32(message.relationOids.length).u8(cascade | restart);
  for (const relationOid of message.relationOids) writer.u32(relationOid);
}

function writeLogicalMessage(writer: MessageWriter, message: LogicalMessage): void {
  writer.u8(message.transactional ? MESSAGE_TRANSACTIONAL : 0).lsn(message.lsn);
  writer.cString(message.prefix).u32(message.content.byteLength).raw(message.content);
}
