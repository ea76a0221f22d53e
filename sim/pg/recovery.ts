import type { PgText } from '#core/relation.ts';
import { RowVersion } from '#sim/pg/row-version.ts';
import type { ServerCore } from '#sim/pg/server-core.ts';
import type { Table } from '#sim/pg/table.ts';
import { isAborted, Xact } from '#sim/pg/transaction.ts';
import type { Change, CommitEntry, WalEntry } from '#sim/pg/wal.ts';

const CHECKPOINT_BYTES = 90;

/**
 * What a server finds on disk after it died: everything up to `lsn`. Returns the commits that are gone,
 * some of which may have been seen (synchronous_commit = off).
 */
export function recover(core: ServerCore, lsn: number): readonly CommitEntry[] {
  const lost = commitsOf(core.wal.cutAt(lsn));
  for (const { xact } of lost) xact.aborted = true;
  abortRunning(core, new Set(lost));
  // Written and flushed, but nobody had been told: they count.
  for (const entry of core.unsettled) {
    if (entry.xact.aborted) continue;
    core.ids.committed(entry.xact, entry.lastXid);
    core.published(entry);
  }
  forgetMemory(core);
  return lost;
}

/** The state at `lsn`, built again from the log: what a standby or a backup holds. */
export function rebuildAt(core: ServerCore, lsn: number): readonly CommitEntry[] {
  const lost = commitsOf(core.wal.cutAt(lsn));
  abortRunning(core, new Set());
  for (const table of core.tables.values()) table.reset();
  for (let at = 0; at < core.wal.length; at++) {
    const entry = core.wal.entry(at);
    if (entry?.kind === 'commit') replay(core, entry);
  }
  forgetMemory(core);
  return lost;
}

/** Slot positions and everything else reach the disk. */
export function checkpoint(core: ServerCore): void {
  core.wal.insert(CHECKPOINT_BYTES);
  for (const slot of core.slots.values()) slot.save();
}

function commitsOf(entries: readonly WalEntry[]): readonly CommitEntry[] {
  return entries.filter((entry) => entry.kind === 'commit');
}

function abortRunning(core: ServerCore, lost: ReadonlySet<CommitEntry>): void {
  const flushed = new Set([...core.unsettled].filter((entry) => !lost.has(entry)));
  const committed = new Set([...flushed].map(({ xact }) => xact));
  for (const { open } of core.backends) {
    if (open !== null && !committed.has(open.top)) open.top.aborted = true;
  }
}

function forgetMemory(core: ServerCore): void {
  core.unsettled.clear();
  core.backends.clear();
  core.origins.clear();
  core.waits.drop(null);
  core.tableLocks.reset();
  core.flusher.reset();
  for (const slot of core.slots.values()) slot.recover();
  for (const table of core.tables.values()) if (table.definition.unlogged === true) table.reset();
  core.ids.recover(core.wal.highestXid() + 1);
  checkpoint(core);
  core.wal.flushedTo(core.wal.insertLsn);
}

function replay(core: ServerCore, entry: CommitEntry): void {
  const copies = new Map<Xact, Xact>();
  const copyOf = (xact: Xact): Xact => {
    const known = copies.get(xact);
    if (known !== undefined) return known;
    const copy = new Xact(xact.parent === null ? null : copyOf(xact.parent), null);
    copy.xid = xact.xid;
    copies.set(xact, copy);
    return copy;
  };
  const top = copyOf(entry.xact);
  top.commitEndLsn = entry.endLsn;
  core.ids.committed(top, entry.lastXid);
  for (const change of entry.changes) {
    if (change.table !== null) redo(change, change.table, copyOf(change.xact));
  }
}

function redo(change: Change, table: Table, xact: Xact): void {
  if (change.kind === 'truncate') {
    table.reset();
    return;
  }
  if (change.old !== null) {
    const old = liveVersion(table, change.old);
    if (old !== undefined) old.xmax = xact;
  }
  if (change.new === null) return;
  const version = new RowVersion(change.new, xact, 0);
  for (const keyIndex of table.indexes) keyIndex.add(version, ({ xmax }) => xmax !== null);
}

function liveVersion(table: Table, values: readonly PgText[]): RowVersion | undefined {
  const versions = table.primary.versions(table.primary.keyOf(values) ?? '');
  return versions.findLast(({ xmax, xmin }) => xmax === null && !isAborted(xmin));
}
