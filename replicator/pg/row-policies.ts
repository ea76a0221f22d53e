import { ROW_POLICIES } from '#core/relation.ts';
import type { RowPolicy } from '#core/relation.ts';
import type { RowsConfig } from '#replicator/config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { formatName } from '#replicator/config/object-name.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';

const COMMENT = /@(?:everywrite|crdt)\s+([a-z-]+)/;

/** What a table's rows do: the configuration's word, else its comment's (`@everywrite add-wins`). */
export function rowPolicy(
  table: UserTable,
  config: readonly RowsConfig[],
): { readonly rows: RowPolicy; readonly problems: readonly ConfigProblem[] } {
  const named = config.find((e) => e.schema === table.schema && e.table === table.name);
  if (named !== undefined) return { rows: named.rows, problems: [] };
  const word = COMMENT.exec(table.comment ?? '')?.[1];
  if (word === undefined) return { rows: 'lww', problems: [] };
  const rows = ROW_POLICIES.find((policy) => policy === word);
  if (rows !== undefined) return { rows, problems: [] };
  const path = `comment on table ${formatName([table.schema, table.name])}`;
  const message = `is "${word}"; allowed are ${ROW_POLICIES.join(', ')}.${didYouMean(word, ROW_POLICIES)}`;
  return { rows: 'lww', problems: [{ path, message }] };
}

/** Configured tables that are not there. */
export function unknownTables(
  catalogue: readonly UserTable[],
  config: readonly RowsConfig[],
): readonly ConfigProblem[] {
  const known = catalogue.map(({ schema, name }) => formatName([schema, name]));
  return config.flatMap(({ schema, table }) => {
    const name = formatName([schema, table]);
    if (known.includes(name)) return [];
    const message = `names no table of this database.${didYouMean(name, known)}`;
    return [{ path: `rows.${name}`, message }];
  });
}
