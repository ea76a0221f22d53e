import type { ColumnTypeName } from '#core/settings.ts';
import type { ColumnConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { formatName } from '#replicator/config/object-name.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import { COLUMN_TYPES } from '#replicator/config/schema.ts';
import type { UserColumn, UserTable } from '#replicator/pg/user-tables.ts';

const COMMENT = /@everywrite\s+([^\s,;]+)/;
const COUNTABLE = ['int2', 'int4', 'int8', 'numeric'];

export interface ColumnTypes {
  /** Only columns that are not `lww`. */
  readonly columns: Readonly<Record<string, ColumnTypeName>>;
  readonly problems: readonly ConfigProblem[];
}

/** The type of each column: the configuration's word, else its comment's (`@everywrite counter`). */
export function columnTypes(table: UserTable, config: readonly ColumnConfig[]): ColumnTypes {
  const columns: Record<string, ColumnTypeName> = {};
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
    const type = COLUMN_TYPES.find((known) => known === word);
    if (type === undefined) {
      const message = `says "@everywrite ${word}"; known types are ${COLUMN_TYPES.join(', ')}.${didYouMean(word, COLUMN_TYPES)}`;
      problems.push({ path: where, message });
      continue;
    }
    const obstacle = type === 'counter' ? counterObstacle(table, column) : null;
    if (obstacle !== null) problems.push({ path: where, message: obstacle });
    else if (type !== 'lww') columns[column.name] = type;
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

function counterObstacle(table: UserTable, column: UserColumn): string | null {
  if (!COUNTABLE.includes(column.baseType)) {
    return `cannot be a counter: its type is ${column.type}; counters are smallint, integer, bigint or numeric (exact, so that sums are the same in every region)`;
  }
  if (table.primaryKey?.columns.includes(column.name) === true) {
    return 'cannot be a counter: it is part of the primary key, which says which row is meant';
  }
  if (column.generated !== 'no') return 'cannot be a counter: PostgreSQL computes it';
  return null;
}
