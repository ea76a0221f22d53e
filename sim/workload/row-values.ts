import type { RandomStream } from '#sim/kernel/ports.ts';
import type { ColumnModel, ColumnModelType, TableModel } from '#sim/run/world.ts';
import type { Row } from '#sim/history/event.ts';

/** A value as PostgreSQL prints it, so that it comes back as it went in. */
export function valueOf(type: ColumnModelType, n: number): string {
  switch (type) {
    case 'int4':
    case 'int8':
      return String(n);
    case 'numeric':
      return `${n}.50`;
    case 'bool':
      return n % 2 === 0 ? 't' : 'f';
    case 'timestamptz':
      return `2026-01-${pad(1 + (n % 28), 2)} ${pad(n % 24, 2)}:${pad(n % 60, 2)}:00+00`;
    case 'uuid':
      return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
    default:
      return `v${n}`;
  }
}

function pad(n: number, width: number): string {
  return String(n).padStart(width, '0');
}

/** The key of the n-th row of a table. */
export function keyRow(table: TableModel, n: number): Row {
  return Object.fromEntries(
    table.key.map((name) => [name, valueOf(typeOf(table, name), n)] as const),
  );
}

/** A whole row: its key, and chance for the rest; references point into the parent's pool of keys. */
export function randomRow(
  table: TableModel,
  tables: readonly TableModel[],
  n: number,
  keys: number,
  random: RandomStream,
): Row {
  const key = keyRow(table, n);
  const rest = table.columns
    .filter(({ name }) => !table.key.includes(name))
    .map((column) => [column.name, randomValue(table, tables, column, keys, random)] as const);
  return { ...key, ...Object.fromEntries(rest) };
}

export function randomValue(
  table: TableModel,
  tables: readonly TableModel[],
  column: ColumnModel,
  keys: number,
  random: RandomStream,
): string | null {
  const foreign = table.foreignKeys.find(({ columns }) => columns.includes(column.name));
  const parent = tables.find(({ name }) => name === foreign?.references);
  if (parent !== undefined && foreign !== undefined) {
    const at = foreign.columns.indexOf(column.name);
    return keyRow(parent, random.between(0, keys - 1))[parent.key[at] ?? ''] ?? null;
  }
  if (!column.notNull && random.chance(0.05)) return null;
  return valueOf(column.type, random.between(0, 99_999));
}

function typeOf(table: TableModel, name: string): ColumnModelType {
  return table.columns.find((column) => column.name === name)?.type ?? 'text';
}

/** Index of a row by Zipf's law: 0 is the hottest. Exponent 0 is uniform. */
export function zipfIndex(keys: number, exponent: number, random: RandomStream): number {
  if (exponent === 0) return random.between(0, keys - 1);
  // The inverse of the continuous distribution: near enough, and one draw whatever the exponent.
  const u = random.uniform();
  const at =
    Math.abs(exponent - 1) < 1e-9
      ? keys ** u
      : ((keys ** (1 - exponent) - 1) * u + 1) ** (1 / (1 - exponent));
  return Math.min(keys - 1, Math.max(0, Math.floor(at) - 1));
}
