import fc from 'fast-check';
import type { GeneratorValue } from 'fast-check';

/** A column's values are kept as the text that `::text` gives. */
export interface WorldColumn {
  readonly name: string;
  readonly type: WorldType;
  readonly notNull: boolean;
  /** What it refers to: the other table's first key column. */
  readonly references: string | null;
  readonly unique: boolean;
}

export type WorldType = 'int4' | 'int8' | 'numeric' | 'text' | 'bool' | 'timestamptz' | 'mood';

export interface WorldTable {
  readonly name: string;
  /** The first one or two are the primary key. */
  readonly columns: readonly WorldColumn[];
  readonly keys: number;
  readonly rows: readonly (readonly (string | null)[])[];
}

export type World = readonly WorldTable[];

const NAMES = ['author', 'book', 'city', 'dog', 'engine'];
const TYPES: readonly WorldType[] = [
  'int4',
  'int8',
  'numeric',
  'text',
  'bool',
  'timestamptz',
  'mood',
];

/** Few different values, so that they are equal, NULL, and met by filters often. */
export const VALUES: Readonly<Record<WorldType, readonly string[]>> = {
  int4: ['-2', '0', '1', '7'],
  int8: ['-9223372036854775808', '0', '5', '9007199254740993'],
  numeric: ['-1.50', '0', '2.25', '12345678901234567890.1'],
  text: ['', 'a', 'b%', 'Ab"c', '_x\\y', 'é\n'],
  bool: ['true', 'false'],
  timestamptz: ['2020-01-01 00:00:00+00', '2020-01-01 00:00:00.5+00', '2026-06-01 12:00:00+00'],
  mood: ['good', 'so-so'],
};

/** Tables with keys of one or two columns, columns of every type, and references among them. */
export function drawWorld(g: GeneratorValue): World {
  const count = g(fc.integer, { min: 1, max: 4 });
  const tables: WorldTable[] = [];
  for (let at = 0; at < count; at++) tables.push(drawTable(g, NAMES[at] ?? '', tables));
  return tables;
}

function drawTable(g: GeneratorValue, name: string, before: readonly WorldTable[]): WorldTable {
  const keys = g(fc.integer, { min: 1, max: 4 }) === 1 ? 2 : 1;
  const columns: WorldColumn[] = [
    { name: 'id', type: 'int4', notNull: true, references: null, unique: false },
    ...(keys === 2
      ? [{ name: 'part', type: 'text', notNull: true, references: null, unique: false } as const]
      : []),
  ];
  const plain = g(fc.integer, { min: 1, max: 4 });
  for (let at = 0; at < plain; at++) {
    const type = pick(g, TYPES);
    columns.push({
      name: `c_${at}`,
      type,
      notNull: g(fc.boolean),
      references: null,
      unique: false,
    });
  }
  const targets = [
    ...before.filter((table) => table.keys === 1).map((table) => table.name),
    ...(keys === 1 ? [name] : []),
  ];
  const links = targets.length === 0 ? 0 : g(fc.integer, { min: 0, max: 2 });
  for (let at = 0; at < links; at++) {
    const references = pick(g, targets);
    const column = at === 0 ? `${references}_id` : `other_${at}_id`;
    const unique = g(fc.integer, { min: 0, max: 4 }) === 0;
    columns.push({ name: column, type: 'int4', notNull: false, references, unique });
  }
  return { name, columns, keys, rows: drawRows(g, columns, keys, before, name) };
}

function drawRows(
  g: GeneratorValue,
  columns: readonly WorldColumn[],
  keys: number,
  before: readonly WorldTable[],
  own: string,
): WorldTable['rows'] {
  const count = g(fc.integer, { min: 0, max: 8 });
  const used = new Set<string>();
  return Array.from({ length: count }, (_, at) => {
    return columns.map((column, place) => {
      if (place === 0) return String(keys === 2 ? at >> 1 : at);
      if (place < keys) return at % 2 === 0 ? 'a' : 'b';
      if (column.references !== null) {
        const table = before.find((one) => one.name === column.references);
        const size = column.references === own ? at + 1 : (table?.rows.length ?? 0);
        const target = size === 0 ? -1 : g(fc.integer, { min: -1, max: size - 1 });
        const text = `${column.name} ${target}`;
        if (target < 0 || (column.unique && used.has(text))) return null;
        used.add(text);
        return String(target);
      }
      if (!column.notNull && g(fc.integer, { min: 0, max: 3 }) === 0) return null;
      return pick(g, VALUES[column.type]);
    });
  });
}

export function worldSql(world: World): string {
  const quote = (text: string | null): string => {
    return text === null ? 'NULL' : `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  };
  const statements = world.flatMap(({ name, columns, keys, rows }) => [
    `CREATE TABLE ${name} (${[
      ...columns.map(({ name: column, type, notNull, references, unique }) => {
        const collate = type === 'text' ? ' COLLATE "C"' : '';
        const link =
          references === null ? '' : ` REFERENCES ${references}${unique ? ' UNIQUE' : ''}`;
        return `${column} ${type}${collate}${notNull ? ' NOT NULL' : ''}${link}`;
      }),
      `PRIMARY KEY (${columns
        .slice(0, keys)
        .map((column) => column.name)
        .join(', ')})`,
    ].join(', ')})`,
    ...rows.map((row) => `INSERT INTO ${name} VALUES (${row.map(quote).join(', ')})`),
  ]);
  const before = `DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TYPE mood AS ENUM ('good', 'so-so')`;
  return `${[before, ...statements].join(';\n')};`;
}

function pick<Value>(g: GeneratorValue, values: readonly Value[]): Value {
  const value = values[g(fc.integer, { min: 0, max: values.length - 1 })];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}
