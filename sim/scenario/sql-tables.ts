import type { ScenarioProblem } from '#sim/scenario/reader.ts';
import type { ColumnModel, ColumnModelType, ForeignKeyModel, TableModel } from '#sim/run/world.ts';

const TYPES: readonly (readonly [RegExp, ColumnModelType])[] = [
  [/^(bigint|int8|bigserial|serial8)\b/, 'int8'],
  [/^(integer|int|int4|serial|smallint|int2)\b/, 'int4'],
  [/^(numeric|decimal|money)\b/, 'numeric'],
  [/^(boolean|bool)\b/, 'bool'],
  [/^(timestamp|timestamptz|date)\b/, 'timestamptz'],
  [/^uuid\b/, 'uuid'],
];

/**
 * The tables of a user's own SQL file: CREATE TABLE with columns, PRIMARY KEY, UNIQUE and REFERENCES.
 * Other statements are passed over; what of a table the simulation leaves out (CHECK, defaults, partial
 * keys) cannot make a row appear that the tables would refuse, and is told.
 */
export function sqlTables(
  sql: string,
  path: string,
  problems: ScenarioProblem[],
): readonly TableModel[] {
  const plain = sql.replace(/--[^\n]*/g, ' ').replace(/\/\*[^]*?\*\//g, ' ');
  const tables: TableModel[] = [];
  const header = /create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?([\w."]+)\s*\(/gi;
  for (const match of plain.matchAll(header)) {
    const from = match.index + match[0].length;
    const body = plain.slice(from, closing(plain, from));
    const table = readTable(qualified(match[1] ?? ''), splitTop(body));
    if (table.key.length === 0) {
      const message = `has no PRIMARY KEY; Everywrite refuses such tables, and so does the simulation`;
      problems.push({ path: `${path}: ${table.name}`, message });
    } else tables.push(table);
  }
  if (tables.length === 0)
    problems.push({ path, message: 'has no CREATE TABLE statement that can be read' });
  return tables.map((table) => withTargets(table, tables));
}

function readTable(name: string, items: readonly string[]): TableModel {
  const columns: ColumnModel[] = [];
  const unique: (readonly string[])[] = [];
  const foreignKeys: ForeignKeyModel[] = [];
  let key: readonly string[] = [];
  for (const item of items) {
    const constraint = item.replace(/^constraint\s+\S+\s+/i, '');
    const primary = /^primary\s+key\s*\(([^)]*)\)/i.exec(constraint);
    const distinct = /^unique\s*(?:nulls\s+\w+\s+distinct\s*)?\(([^)]*)\)/i.exec(constraint);
    const foreign = /^foreign\s+key\s*\(([^)]*)\)\s*(references\s+.*)/is.exec(constraint);
    if (primary !== null) key = names(primary[1]);
    else if (distinct !== null) unique.push(names(distinct[1]));
    else if (foreign !== null) foreignKeys.push(reference(names(foreign[1]), foreign[2] ?? ''));
    else if (!/^(check|exclude|like)\b/i.test(constraint)) {
      const column = readColumn(item);
      columns.push(column);
      if (/\bprimary\s+key\b/i.test(item)) key = [column.name];
      if (/\bunique\b/i.test(item)) unique.push([column.name]);
      const inline = /\breferences\s+.*/is.exec(item);
      if (inline !== null) foreignKeys.push(reference([column.name], inline[0]));
    }
  }
  const marked = columns.map((c) => (key.includes(c.name) ? { ...c, notNull: true } : c));
  return { name, columns: marked, key, unique, foreignKeys };
}

function readColumn(item: string): ColumnModel {
  const [, name = '', rest = ''] = /^\s*("[^"]+"|\w+)\s*(.*)$/s.exec(item) ?? [];
  const type = TYPES.find(([pattern]) => pattern.test(rest.toLowerCase()))?.[1] ?? 'text';
  return { name: unquoted(name), type, notNull: /\bnot\s+null\b/i.test(rest), merge: 'lww' };
}

function reference(columns: readonly string[], text: string): ForeignKeyModel {
  const [, target = ''] = /references\s+([\w."]+)/i.exec(text) ?? [];
  const onDelete = /on\s+delete\s+cascade/i.test(text)
    ? 'cascade'
    : /on\s+delete\s+set\s+null/i.test(text)
      ? 'set null'
      : 'no action';
  return { columns, references: qualified(target), onDelete };
}

/** Keys that refer to tables of another file are left out. */
function withTargets(table: TableModel, tables: readonly TableModel[]): TableModel {
  const known = new Set(tables.map(({ name }) => name));
  return {
    ...table,
    foreignKeys: table.foreignKeys.filter(({ references }) => known.has(references)),
  };
}

function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')' && --depth === 0) return at;
  }
  return text.length;
}

function splitTop(body: string): readonly string[] {
  const items: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= body.length; at += 1) {
    const unit = body[at];
    if (unit === '(') depth += 1;
    else if (unit === ')') depth -= 1;
    else if ((unit === ',' && depth === 0) || unit === undefined) {
      items.push(body.slice(start, at).trim());
      start = at + 1;
    }
  }
  return items.filter((item) => item !== '');
}

function names(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').map((name) => unquoted(name.trim()));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}

function qualified(name: string): string {
  const parts = name.split('.').map(unquoted);
  return parts.length > 1 ? parts.join('.') : `public.${parts[0] ?? ''}`;
}
