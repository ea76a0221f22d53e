import { unreachable } from '#core/assert.ts';
import type { PreparedMessage, StreamMessage } from '#replicator/engine/pgoutput/message.ts';
import type { MessageReader } from '#replicator/engine/pgoutput/reader.ts';
import { TAG } from '#replicator/engine/pgoutput/wire.ts';

type StreamTag = (typeof TAG)['streamStart' | 'streamStop' | 'streamCommit' | 'streamAbort'];
type PreparedTag = (typeof TAG)[PreparedMessage['kind']];

export function decodeStream(tag: StreamTag, reader: MessageReader): StreamMessage {
  switch (tag) {
    case TAG.streamStart:
      return { kind: 'streamStart', xid: reader.u32(), firstSegment: reader.u8() === 1 };
    case TAG.streamStop:
      return { kind: 'streamStop' };
    case TAG.streamCommit:
      return decodeStreamCommit(reader);
    case TAG.streamAbort:
      return decodeStreamAbort(reader);
    default:
      return unreachable(tag);
  }
}

function decodeStreamCommit(reader: MessageReader): StreamMessage {
  const xid = reader.u32();
  noFlags(reader);
  const commitLsn = reader.lsn();
  const endLsn = reader.lsn();
  return { kind: 'streamCommit', xid, commitLsn, endLsn, commitTimeUs: reader.timeUs() };
}

function decodeStreamAbort(reader: MessageReader): StreamMessage {
  const xid = reader.u32();
  const subtransactionXid = reader.u32();
  // The message does not say whether these follow: only what the client asked for at the start does.
  const abort = reader.remaining === 0 ? null : { lsn: reader.lsn(), timeUs: reader.timeUs() };
  return { kind: 'streamAbort', xid, subtransactionXid, abort };
}

export function decodePrepared(tag: PreparedTag, reader: MessageReader): PreparedMessage {
  switch (tag) {
    case TAG.beginPrepare:
      return decodePrepare('beginPrepare', reader);
    case TAG.prepare:
      noFlags(reader);
      return decodePrepare('prepare', reader);
    case TAG.streamPrepare:
      noFlags(reader);
      return decodePrepare('streamPrepare', reader);
    case TAG.commitPrepared:
      return decodeCommitPrepared(reader);
    case TAG.rollbackPrepared:
      return decodeRollbackPrepared(reader);
    default:
      return unreachable(tag);
  }
}

function decodePrepare(
  kind: 'beginPrepare' | 'prepare' | 'streamPrepare',
  reader: MessageReader,
): PreparedMessage {
  const prepareLsn = reader.lsn();
  const endLsn = reader.lsn();
  const prepareTimeUs = reader.timeUs();
  const xid = reader.u32();
  return { kind, prepareLsn, endLsn, prepareTimeUs, xid, gid: reader.cString() };
}

function decodeCommitPrepared(reader: MessageReader): PreparedMessage {
  noFlags(reader);
  const commitLsn = reader.lsn();
  const endLsn = reader.lsn();
  const commitTimeUs = reader.timeUs();
  const xid = reader.u32();
  return { kind: 'commitPrepared', commitLsn, endLsn, commitTimeUs, xid, gid: reader.cString() };
}

function decodeRollbackPrepared(reader: MessageReader): PreparedMessage {
  noFlags(reader);
  const prepareEndLsn = reader.lsn();
  const rollbackEndLsn = reader.lsn();
  const prepareTimeUs = reader.timeUs();
  const rollbackTimeUs = reader.timeUs();
  const xid = reader.u32();
  const times = { prepareTimeUs, rollbackTimeUs };
  return {
    kind: 'rollbackPrepared',
    prepareEndLsn,
    rollbackEndLsn,
    ...times,
    xid,
    gid: reader.cString(),
  };
}

function noFlags(reader: MessageReader): void {
  if (reader.u8() !== 0) reader.fail('flags, of which none is defined');
}
