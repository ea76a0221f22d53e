import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';
import { formatDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { LogEntry, LogStream } from '#replicator/engine/log-port.ts';
import { firstBeyond } from '#replicator/engine/log/frame-search.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';

/**
 * Refuses a source that gives a dot to another transaction than the copy does (hazards T5): its database
 * and its log were put back to an earlier day together, and went on from there. `prior` is the source's
 * last frame that the copy need not be told. Cheap where the two logs end alike, as they nearly always
 * do; reads about 2 log2(n) frames where they do not.
 */
export async function refuseFork(
  origin: RegionId,
  copy: LogStream,
  have: FrameHeader | null,
  source: LogStream,
  prior: LogEntry | null,
): Promise<void> {
  if (have === null || prior === null) return;
  const theirs = decodeFrame(prior.frame).header;
  if (theirs.replica !== have.replica || isSame(theirs, have)) return;
  const sequence = Math.min(theirs.lastSequence, have.lastSequence);
  const [here, there] = await Promise.all([
    transactionAt(copy, sequence),
    transactionAt(source, sequence),
  ]);
  if (here === null || there === null || here.replica !== there.replica) return;
  if (here.hlc === there.hlc && here.commitLsn === there.commitLsn) return;
  throw new EverywriteError({
    code: 'LOG_FORKED',
    recovery: 'operator',
    message:
      `Two transactions of ${origin} have the name ${formatDot(here)}: the one copied here, and another in ` +
      `the log it is read from. ${origin} was put back to an earlier state, database and log together, and ` +
      `went on. It must join again: see OPERATIONS.md, "Must re-join". Until then nothing more of it is copied.`,
  });
}

function isSame(left: FrameHeader, right: FrameHeader): boolean {
  return (
    left.kind === right.kind &&
    left.lastSequence === right.lastSequence &&
    left.part === right.part &&
    left.endLsn === right.endLsn &&
    left.hlc === right.hlc
  );
}

/** The transaction with this sequence; null when its frame is trimmed. */
async function transactionAt(
  stream: LogStream,
  sequence: number,
): Promise<TransactionHeader | null> {
  const entry = await stream.entryAt(
    await firstBeyond(stream, (header) => header.lastSequence >= sequence),
  );
  const found = entry === null ? [] : decodeFrame(entry.frame).transactions();
  return found.find((transaction) => transaction.sequence === sequence) ?? null;
}
