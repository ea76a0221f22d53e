import type { Relation } from '#core/relation.ts';
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
// A statement's arrays are held whole by the driver and the server.
const STATEMENT_ROWS_MAX = 5000;

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
  const add = (
    kept: readonly DecidedRow[],
    render: (rows: readonly DecidedRow[]) => Statement,
  ): void => {
    for (let at = 0; at < kept.length; at += STATEMENT_ROWS_MAX) {
      const some = kept.slice(at, at + STATEMENT_ROWS_MAX);
      statements.push({ statement: render(some), rows: some });
    }
  };
  add(
    rows.filter(({ action }) => action.kind === 'delete'),
    (some) => ({ kind: 'deleteRows', relation: local, rows: some.map(keyOf), guard }),
  );
  for (const group of byShape(rows.filter(({ action }) => action.kind === 'update'))) {
    add(group, (some) => updateStatement(local, some, guard));
  }
  const inserts = rows.filter(({ action }) => action.kind === 'insert');
  for (const [absent, group] of byAbsent(inserts)) {
    add(group, (some) => insertStatement(local, some, absent));
  }
  return statements;
}

/** Columns that no operation knows are left out, so that the table's defaults fill them. */
function insertStatement(
  local: Relation,
  rows: readonly DecidedRow[],
  absent: readonly number[],
): Statement {
  const all = rows.map(({ action }) => (action.kind === 'insert' ? action.values : []));
  if (absent.length === 0) return { kind: 'insertRows', relation: local, rows: all };
  const kept = [...local.columns.keys()].filter((at) => !absent.includes(at));
  const relation: Relation = {
    ...local,
    columns: local.columns.filter((_, at) => kept.includes(at)),
    keyColumns: local.keyColumns.map((at) => kept.indexOf(at)),
  };
  const values = all.map((row) => kept.map((at) => row[at] ?? null));
  return { kind: 'insertRows', relation, rows: values };
}

function byAbsent(
  rows: readonly DecidedRow[],
): readonly (readonly [readonly number[], readonly DecidedRow[]])[] {
  const absentOf = ({ action }: DecidedRow): readonly number[] =>
    action.kind === 'insert' ? (action.absent ?? []) : [];
  if (rows.every((row) => absentOf(row).length === 0)) return rows.length === 0 ? [] : [[[], rows]];
  const groups = Map.groupBy(rows, (row) => absentOf(row).join());
  return [...groups.values()].map((group) => [absentOf(group[0] as DecidedRow), group]);
}

function updateStatement(
  local: Relation,
  rows: readonly DecidedRow[],
  guard: Guard | null,
): Statement {
  const [first] = rows;
  const alike = first !== undefined && shapeOf(first.action) !== '' && sameColumns(rows);
  const columns = alike && first.action.kind === 'update' ? first.action.columns : union(rows);
  const updates = rows.map(({ planned, action }): RowUpdate => {
    const writes = action.kind === 'update' ? action.writes : [];
    return { ...keyOf({ planned }), writes: alike ? writes : spread(action, columns) };
  });
  return { kind: 'updateRows', relation: local, columns, rows: updates, guard };
}

function sameColumns(rows: readonly DecidedRow[]): boolean {
  const shape = rows[0] === undefined ? '' : shapeOf(rows[0].action);
  return rows.every(({ action }) => shapeOf(action) === shape);
}

function union(rows: readonly DecidedRow[]): readonly number[] {
  const columns = new Set<number>();
  for (const { action } of rows) {
    if (action.kind === 'update') for (const at of action.columns) columns.add(at);
  }
  return [...columns].toSorted((left, right) => left - right);
}

function spread(action: RowAction, columns: readonly number[]): readonly ColumnWrite[] {
  if (action.kind !== 'update') return [];
  return columns.map((at) => action.writes[action.columns.indexOf(at)] ?? null);
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
  for (let at = 0; at < action.columns.length; at++) {
    shape += `${action.columns[at]}${action.writes[at]?.kind === 'add' ? '+' : '='}`;
  }
  return shape;
}

function keyOf({ planned }: { readonly planned: PlannedKey }) {
  return { key: planned.key, knownXid: planned.knownXid };
}
