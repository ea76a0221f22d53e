import type { ConflictSink } from '#conflict/conflict-sink.ts';
import { relationId } from '#core/relation.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { regionOf } from '#core/region.ts';
import { compareStamps, happenedBefore } from '#core/transaction.ts';
import type { ChangeTransaction, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import type { OrphanKeeper } from '#replicator/engine/apply/orphan-keeper.ts';
import type { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import type { Spill } from '#replicator/engine/index/spill.ts';
import type { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { positionAfter } from '#replicator/engine/log/frame-search.ts';
import { storedPieces } from '#replicator/engine/log/transactions.ts';
import type { LoggedPiece } from '#replicator/engine/log/transactions.ts';

export interface RebuildSources {
  readonly own: ReplicaId;
  readonly streams: ReadonlyMap<RegionId, LogStream>;
  /** At or below the stable vector: nothing remembered is cut in half. */
  readonly foldFrom: VersionVector;
  readonly stable: VersionVector;
  readonly applied: VersionVector;
}

/** What else remembers, and is told again what the log has. */
interface Memory {
  readonly spill: Spill;
  readonly quarantine: Quarantine;
  readonly orphans: Pick<OrphanKeeper, 'watch'>;
}

interface Source {
  readonly pieces: AsyncGenerator<LoggedPiece>;
  head: ChangeTransaction | null;
}

/**
 * Folds the local log from the checkpoint on: the own stream to its end, the others to the applied
 * vector. Conflicts of own operations that no apply
 * transaction had accounted for go to `pending`; the others are in the table already.
 */
export async function rebuildIndex(
  index: UnstableIndex,
  { spill, quarantine, orphans }: Memory,
  sources: RebuildSources,
  pending: ConflictBuffer,
  signal: AbortSignal,
): Promise<number> {
  const open: Source[] = [];
  for (const [region, stream] of sources.streams) {
    const replica = replicaIn(sources, region);
    const saved = sequenceOf(sources.foldFrom, replica);
    const from = await positionAfter(stream, saved);
    const begin = await firstStored(stream, from, saved, sequenceOf(sources.applied, replica));
    const pieces = storedPieces(stream, from, begin, signal);
    open.push({ pieces, head: await next(pieces) });
  }
  const accounted = sequenceOf(sources.applied, sources.own);
  let folded = 0;
  for (let source = nextDue(open, sources); source !== null; source = nextDue(open, sources)) {
    const transaction = source.head;
    if (transaction === null) break;
    const late = transaction.replica === sources.own && transaction.sequence > accounted;
    // A TRUNCATE looks at the whole table, also at rows that were put aside on the way.
    for (const op of transaction.ops) {
      if (op.kind === 'truncate') await spill.loadTable(op.relation);
    }
    index.rebuild(transaction, (slot) => {
      const sink = pending.sink(relationId(slot.relation), slot.key);
      return late ? sink : onlyOf(sink, sources.own, accounted);
    });
    if (transaction.replica === sources.own) orphans.watch(transaction);
    if (late) replayOwn(transaction, quarantine, pending);
    folded++;
    // What is folded here is all captured and applied: nothing is in flight.
    if (spill.isNeeded) await spill.relieve(sources.applied);
    source.head = await next(source.pieces);
  }
  for (const { pieces } of open) await pieces.return(undefined);
  // A row that was put aside on the way, and folded on since, may hold concurrent writes in two halves.
  await spill.load(index.partialSlots());
  // Rows that had been forgotten come back with some of their writes; all of those are stable.
  index.pruneRebuilt(sources.stable);
  return folded;
}

/** What capture did beside folding, for an own transaction that no apply transaction accounted for. */
function replayOwn(
  { ops }: ChangeTransaction,
  quarantine: Quarantine,
  pending: ConflictBuffer,
): void {
  for (const op of ops) {
    if (op.kind === 'truncate') continue;
    quarantine.wrote(op);
    if (op.kind !== 'delete' || op.cause === undefined) continue;
    pending.verdict(relationId(op.relation), op.key, op.cause);
  }
}

/**
 * What an operation that is accounted for has to say of own ones that are not: it may have been folded
 * after them (a pair that it opens), and may have closed what they had opened.
 */
function onlyOf(sink: ConflictSink, own: ReplicaId, accounted: number): ConflictSink {
  const late = (by: TransactionHeader): boolean => by.replica === own && by.sequence > accounted;
  return {
    add: (column, kind, left, right) => {
      if (late(left.by) || late(right.by)) sink.add(column, kind, left, right);
    },
    retract: (column, left, right) => {
      if (late(left) || late(right)) sink.retract(column, left, right);
    },
  };
}

/**
 * The sequence before the first frame to fold. A log that was refilled from a peer begins where that
 * peer had trimmed it: everything before is stable.
 */
async function firstStored(
  stream: LogStream,
  from: number,
  saved: number,
  applied: number,
): Promise<number> {
  const entry = await stream.entryAt(from);
  if (entry === null) return saved;
  const { kind, firstSequence } = decodeFrame(entry.frame).header;
  const before = kind === 'heartbeat' ? firstSequence : firstSequence - 1;
  // Beyond what is applied it is a gap; the reader says so.
  return before > saved && before <= applied ? before : saved;
}

/**
 * What to fold next: causes before effects, and what is accounted for before own operations that are
 * not, as it was the first time. Then whatever one of those takes back of the records was opened before,
 * and is retracted (records.prop.test.ts).
 */
function nextDue(open: readonly Source[], { own, applied }: RebuildSources): Source | null {
  const accounted = sequenceOf(applied, own);
  const heads = open.flatMap(({ head }) => (head === null ? [] : [head]));
  let best: Source | null = null;
  let late: Source | null = null;
  for (const source of open) {
    const { head } = source;
    if (head === null) continue;
    const beyond = head.sequence > sequenceOf(applied, head.replica);
    if (beyond && head.replica !== own) continue;
    if (heads.some((other) => other !== head && happenedBefore(other, head))) continue;
    if (head.replica === own && head.sequence > accounted) late = source;
    else if (best === null || isEarlier(head, best.head)) best = source;
  }
  return best ?? late;
}

function isEarlier(head: ChangeTransaction, best: ChangeTransaction | null): boolean {
  return best === null || compareStamps(head, best) < 0;
}

async function next(pieces: AsyncGenerator<LoggedPiece>): Promise<ChangeTransaction | null> {
  const step = await pieces.next();
  return step.done === true ? null : step.value.transaction;
}

function replicaIn({ applied, stable, own }: RebuildSources, region: RegionId): ReplicaId {
  if (regionOf(own) === region) return own;
  const known = [...applied.keys(), ...stable.keys()].filter((r) => regionOf(r) === region);
  return known.at(-1) ?? (`${region}.1` as ReplicaId);
}
