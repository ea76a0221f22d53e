import { isFiniteDecimal, subtractDecimals } from '#core/decimal.ts';
import type { PgText } from '#core/relation.ts';
import type { SpecCell, SpecOp } from '#sim/check/specification.ts';
import type { Row, RowChange } from '#sim/history/event.ts';
import type { TableModel } from '#sim/run/world.ts';

/** What one row change meant, and to which row; `key` is null for TRUNCATE. */
export interface KeyedSpecOp {
  readonly table: string;
  readonly key: string | null;
  readonly op: SpecOp;
}

/** A row's name within its table. U+0000 cannot be part of a text. */
export function keyText(table: TableModel, row: Row): string {
  return table.key.map((column) => row[column] ?? '').join('\u0000');
}

/** What a transaction's row changes meant, read off old and new rows as the documentation says. */
export function specOps(
  changes: readonly RowChange[],
  tables: ReadonlyMap<string, TableModel>,
): readonly KeyedSpecOp[] {
  let ops: KeyedSpecOp[] = [];
  for (const change of changes) {
    const table = tables.get(change.table);
    if (table === undefined) continue;
    // What a transaction wrote before it emptied the table was never there.
    if (change.kind === 'truncate') ops = ops.filter((op) => op.table !== change.table);
    ops.push(...opsOf(table, change));
  }
  return ops;
}

function opsOf(table: TableModel, change: RowChange): readonly KeyedSpecOp[] {
  const named = (key: string | null, op: SpecOp): KeyedSpecOp => ({ table: table.name, key, op });
  switch (change.kind) {
    case 'truncate':
      return [named(null, { kind: 'truncate' })];
    case 'insert':
      return [named(keyText(table, change.new), inserted(change.new))];
    case 'delete':
      return [named(keyText(table, change.old), { kind: 'delete' })];
    default: {
      const key = keyText(table, change.new);
      const oldKey = keyText(table, change.old);
      if (key !== oldKey)
        return [named(oldKey, { kind: 'delete' }), named(key, inserted(change.new))];
      const cells = cellsOf(table, change.old, change.new);
      return cells.size === 0 ? [] : [named(key, { kind: 'update', cells })];
    }
  }
}

function inserted(row: Row): SpecOp {
  return { kind: 'insert', values: new Map(Object.entries(row)) };
}

function cellsOf(table: TableModel, before: Row, after: Row): ReadonlyMap<string, SpecCell> {
  const cells = new Map<string, SpecCell>();
  for (const { name, merge } of table.columns) {
    const was = before[name] ?? null;
    const is = after[name] ?? null;
    if (was === is) continue;
    const cell = merge === 'counter' ? moved(was, is) : { kind: 'set' as const, value: is };
    if (cell !== null) cells.set(name, cell);
  }
  return cells;
}

// NULL cannot be reached or left by adding: such a change is an assignment.
function moved(was: PgText, is: PgText): SpecCell | null {
  if (was === null || is === null || !isFiniteDecimal(was) || !isFiniteDecimal(is))
    return { kind: 'set', value: is };
  const amount = subtractDecimals(is, was);
  return /[1-9]/.test(amount) ? { kind: 'add', amount } : null;
}
