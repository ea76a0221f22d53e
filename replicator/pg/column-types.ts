import { COLUMN_TYPE_NAMES, parseColumnType } from '#core/column-type-text.ts';
import type { ColumnTypeName } from '#core/column-type-text.ts';
import type { ColumnConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { formatName } from '#replicator/config/object-name.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import type { UserColumn, UserTable } from '#replicator/pg/user-tables.ts';

// A type with parameters may hold spaces: rank(in cart < paid).
const COMMENT = /@(?:everywrite|crdt)\s+([a-z]+(?:\([^)]*\))?[^\s,;.]*)/;

interface Fit {
  /** Types' own names, below any domain. */
  readonly baseTypes: readonly string[];
  readonly allowed: string;
}

const ORDERED = ['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'];
const INSTANTS = ['date', 'timestamp', 'timestamptz'];
const WIDE_TEXTS = ['text', 'varchar'];
const EXTREMES: Fit = {
  baseTypes: [...ORDERED, ...INSTANTS],
  allowed:
    'numbers, date, timestamp and timestamptz (an order that is the same in every region; that of texts depends on the collation)',
};
const JSONB: Fit = { baseTypes: ['jsonb'], allowed: 'jsonb (json keeps the text as it was typed)' };

/** Which PostgreSQL types each column type fits; a set, all true arrays; lww, everything. */
const FITS: Readonly<Record<Exclude<ColumnTypeName, 'lww' | 'set'>, Fit>> = {
  counter: {
    baseTypes: ['int2', 'int4', 'int8', 'numeric'],
    allowed:
      'smallint, integer, bigint or numeric (exact, so that sums are the same in every region)',
  },
  max: EXTREMES,
  min: EXTREMES,
  flag: { baseTypes: ['bool'], allowed: 'boolean' },
  rank: { baseTypes: WIDE_TEXTS, allowed: 'text, varchar and enumerations' },
  map: JSONB,
  text: { baseTypes: WIDE_TEXTS, allowed: 'text and varchar' },
  list: JSONB,
  json: JSONB,
};

export interface ColumnTypes {
  /** Only columns that are not `lww`. */
  readonly columns: Readonly<Record<string, string>>;
  readonly problems: readonly ConfigProblem[];
}

/** The type of each column: the configuration's word, else its comment's (`@everywrite counter`). */
export function columnTypes(table: UserTable, config: readonly ColumnConfig[]): ColumnTypes {
  const columns: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  for (const column of table.columns) {
    const path = formatName([table.schema, table.name, column.name]);
    const named = config.find(
      (entry) =>
        entry.schema === table.schema && entry.table === table.name && entry.column === column.name,
    );
    const word = named?.type ?? COMMENT.exec(column.comment ?? '')?.[1];
    if (word === undefined) continue;
    const where = named === undefined ? `comment on column ${path}` : `columns.${path}`;
    const parsed = parseColumnType(word);
    if (parsed.kind === 'wrong') {
      const message = `${parsed.message}.${didYouMean(parsed.word, COLUMN_TYPE_NAMES)}`;
      problems.push({ path: where, message });
      continue;
    }
    const { name, text } = parsed.type;
    const obstacle = name === 'lww' ? null : obstacleTo(name, table, column);
    if (obstacle !== null) problems.push({ path: where, message: obstacle });
    else if (name !== 'lww') columns[column.name] = text;
  }
  return { columns, problems };
}

/** Configured columns that no table has. A typing mistake here would silently lose increments. */
export function unknownColumns(
  catalogue: readonly UserTable[],
  config: readonly ColumnConfig[],
): readonly ConfigProblem[] {
  const known = catalogue.flatMap((table) =>
    table.columns.map((column) => formatName([table.schema, table.name, column.name])),
  );
  return config.flatMap((entry) => {
    const name = formatName([entry.schema, entry.table, entry.column]);
    if (known.includes(name)) return [];
    const message = `names no column of this database.${didYouMean(name, known)}`;
    return [{ path: `columns.${name}`, message }];
  });
}

function obstacleTo(
  name: Exclude<ColumnTypeName, 'lww'>,
  table: UserTable,
  column: UserColumn,
): string | null {
  if (table.primaryKey?.columns.includes(column.name) === true) {
    return `cannot be a ${name}: it is part of the primary key, which says which row is meant`;
  }
  if (column.generated !== 'no') return `cannot be a ${name}: PostgreSQL computes it`;
  const allowed = misfit(name, column);
  if (allowed === null) return null;
  return `cannot be a ${name}: its type is ${column.type}; allowed are ${allowed}`;
}

/** Null when the type fits, else what would. */
function misfit(name: Exclude<ColumnTypeName, 'lww'>, column: UserColumn): string | null {
  const { baseType, category } = column;
  if (name === 'set') {
    // int2vector and its like are arrays by category only; the elements of box[] are parted by semicolons.
    const fits = category === 'A' && baseType.startsWith('_') && baseType !== '_box';
    return fits ? null : 'arrays (of anything but box)';
  }
  if (name === 'rank' && category === 'E') return null;
  const { baseTypes, allowed } = FITS[name];
  return baseTypes.includes(baseType) ? null : allowed;
}
