import { must } from '#core/assert.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { PlannedKey, RowAction } from '#replicator/engine/apply/planned-key.ts';
import type {
  ColumnWrite,
  Guard,
  LockedRow,
  RowUpdate,
  Statement,
} from '#replicator/engine/statement.ts';

/** A decided row: what to do, and the plan it came from. */
export interface DecidedRow {
  readonly planned: PlannedKey;
  readonly action: RowAction;
  /** The table's version, where it was locked. */
  readonly row: LockedRow | null;
}

/** One set-based statement, and the rows whose guard it carries. */
export interface RowStatement {
  readonly statement: Statement;
  readonly rows: readonly DecidedRow[];
}

// Rows that write the same columns in the same way share a statement without CASE and a prepared plan;
// past this many shapes the rest share one with.
const MAX_SHAPES = 6;

/**
 * Deletes, then updates, then inserts: a key or unique value that the batch releases is free before it
 * is taken (hazards T10). `local` is the table as this region has it.
 */
export function rowStatements(
  local: Relation,
  rows: readonly DecidedRow[],
  guard: Guard | null,
): readonly RowStatement[] {
  const statements: RowStatement[] = [];
  const deleted = rows.filter(({ action }) => action.kind === 'delete');
  if (deleted.length > 0) {
    const keys = deleted.map(({ planned }) => keyOf(planned));
    statements.push({
      statement: { kind: 'deleteRows', relation: local, rows: keys, guard },
      rows: deleted,
    });
  }
  for (const group of byShape(rows.filter(({ action }) => action.kind === 'update'))) {
    statements.push({ statement: updateStatement(local, group, guard), rows: group });
  }
  const inserted = rows.filter(({ action }) => action.kind === 'insert');
  if (inserted.length > 0) {
    const values = inserted.map(({ action }) => insertValues(local, action));
    statements.push({
      statement: { kind: 'insertRows', relation: local, rows: values },
      rows: inserted,
    });
  }
  return statements;
}

function updateStatement(
  local: Relation,
  rows: readonly DecidedRow[],
  guard: Guard | null,
): Statement {
  const names = new Set<string>();
  for (const { action } of rows) {
    if (action.kind === 'update') for (const name of action.writes.keys()) names.add(name);
  }
  const columns: number[] = [];
  local.columns.forEach((column, at) => {
    if (names.has(column.name)) columns.push(at);
  });
  const updates = rows.map(({ planned, action }): RowUpdate => {
    const writes = columns.map((at): ColumnWrite => {
      const name = must(local.columns[at], 'column').name;
      return action.kind === 'update' ? (action.writes.get(name) ?? null) : null;
    });
    return { ...keyOf(planned), writes };
  });
  return { kind: 'updateRows', relation: local, columns, rows: updates, guard };
}

function byShape(rows: readonly DecidedRow[]): readonly (readonly DecidedRow[])[] {
  const groups = new Map<string, DecidedRow[]>();
  for (const row of rows) {
    const shape = shapeOf(row.action);
    const fits = groups.has(shape) || groups.size < MAX_SHAPES ? shape : '';
    const group = groups.get(fits);
    if (group === undefined) groups.set(fits, [row]);
    else group.push(row);
  }
  return [...groups.values()];
}

function shapeOf(action: RowAction): string {
  if (action.kind !== 'update') return '';
  let shape = '';
  for (const [name, write] of action.writes) shape += `${name}\u0000${write.kind}\u0000`;
  return shape;
}

function insertValues(local: Relation, action: RowAction): readonly PgText[] {
  if (action.kind !== 'insert') return [];
  return local.columns.map((column) => action.values.get(column.name) ?? null);
}

function keyOf(planned: PlannedKey) {
  return { key: planned.key, knownXid: planned.base?.xid ?? null };
}
