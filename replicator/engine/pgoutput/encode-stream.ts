import { unreachable } from '#core/assert.ts';
import type { PreparedMessage, StreamMessage } from '#replicator/engine/pgoutput/message.ts';
import type { MessageWriter } from '#replicator/engine/pgoutput/writer.ts';

const NO_FLAGS = 0;

export function encodeStream(writer: MessageWriter, message: StreamMessage): void {
  switch (message.kind) {
    case 'streamStart':
      writer.u32(message.xid).u8(message.firstSegment ? 1 : 0);
      return;
    case 'streamStop':
      return;
    case 'streamCommit':
      writer.u32(message.xid).u8(NO_FLAGS);
      writer.lsn(message.commitLsn).lsn(message.endLsn).timeUs(message.commitTimeUs);
      return;
    case 'streamAbort':
      writer.u32(message.xid).u32(message.subtransactionXid);
      if (message.abort !== null) writer.lsn(message.abort.lsn).timeUs(message.abort.timeUs);
      return;
    default:
      unreachable(message);
  }
}

export function encodePrepared(writer: MessageWriter, message: PreparedMessage): void {
  // Begin Prepare is the only one of them without a flags byte.
  if (message.kind !== 'beginPrepare') writer.u8(NO_FLAGS);
  switch (message.kind) {
    case 'beginPrepare':
    case 'prepare':
    case 'streamPrepare':
      writer.lsn(message.prepareLsn).lsn(message.endLsn).timeUs(message.prepareTimeUs);
      break;
    case 'commitPrepared':
      writer.lsn(message.commitLsn).lsn(message.endLsn).timeUs(message.commitTimeUs);
      break;
    case 'rollbackPrepared':
      writer.lsn(message.prepareEndLsn).lsn(message.rollbackEndLsn);
      writer.timeUs(message.prepareTimeUs).timeUs(message.rollbackTimeUs);
      break;
    default:
      unreachable(message);
  }
  writer.u32(message.xid).cString(message.gid);
}
