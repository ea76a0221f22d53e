import { must } from '#core/assert.ts';
import type { PgText } from '#core/relation.ts';
import type { RegionId } from '#core/region.ts';
import type {
  CommitEvent,
  ConflictChange,
  QuarantineChange,
  Row,
  RowChange,
} from '#sim/history/event.ts';
import type { Table } from '#sim/pg/table.ts';
import type { Change, CommitEntry } from '#sim/pg/wal.ts';

const OWN_SCHEMA = 'everywrite';

/** What a transaction did, as the history tells it: from the server's own WAL, not from who wrote it. */
export function commitEvent(region: RegionId, entry: CommitEntry, atUs: number): CommitEvent {
  const changes: RowChange[] = [];
  const conflicts: ConflictChange[] = [];
  const quarantine: QuarantineChange[] = [];
  let vector: string | null = null;
  for (const change of entry.changes) {
    const { table } = change;
    if (table === null) continue;
    if (table.definition.schema !== OWN_SCHEMA) {
      changes.push(rowChange(change, table));
      continue;
    }
    const row = rowOf(table, change.new ?? change.old);
    if (table.definition.name === 'applied' && change.kind === 'update')
      vector = row['vector'] ?? '';
    if (table.definition.name === 'conflicts') conflicts.push(conflictChange(change.kind, row));
    if (table.definition.name === 'quarantine') quarantine.push(quarantineChange(change.kind, row));
  }
  const by = vector === null ? 'user' : 'apply';
  const op = entry.tag === null ? null : Number(entry.tag);
  const { startLsn: lsn, xid } = entry;
  return { kind: 'commit', atUs, region, lsn, xid, by, op, vector, changes, conflicts, quarantine };
}

function rowChange(change: Change, table: Table): RowChange {
  const name = table.id;
  if (change.kind === 'truncate') return { kind: 'truncate', table: name };
  const before = (): Row => rowOf(table, must(change.old, 'old row'));
  const after = (): Row => rowOf(table, must(change.new, 'new row'));
  if (change.kind === 'insert') return { kind: 'insert', table: name, new: after() };
  if (change.kind === 'delete') return { kind: 'delete', table: name, old: before() };
  return { kind: 'update', table: name, old: before(), new: after() };
}

function rowOf(table: Table, values: readonly PgText[] | null): Row {
  const row: Record<string, PgText> = {};
  table.definition.columns.forEach(({ name }, at) => {
    row[name] = values?.[at] ?? null;
  });
  return row;
}

function conflictChange(kind: Change['kind'], row: Row): ConflictChange {
  const text = (name: string): string => row[name] ?? '';
  return {
    kind: kind === 'delete' ? 'remove' : 'add',
    relation: text('relation'),
    key: text('key'),
    column: text('column_name'),
    what: text('kind'),
    winner: text('winner_dot'),
    loser: text('loser_dot'),
    winnerValue: row['winner_value'] ?? null,
    loserValue: row['loser_value'] ?? null,
  };
}

function quarantineChange(kind: Change['kind'], row: Row): QuarantineChange {
  const relation = row['relation'] ?? '';
  const key = row['key'] ?? '';
  return {
    kind: kind === 'delete' ? 'clear' : 'put',
    relation,
    key,
    wanted: row['wanted'] ?? null,
  };
}
