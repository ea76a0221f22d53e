import type { WriteRow } from '#gateway/execution/row-json.ts';
import type { Rows } from '#gateway/pg/sql-text.ts';

/** A root field alone in its statement: rows, and how Node writes them. `sql` null: nothing to ask. */
export interface RootRows {
  readonly sql: string | null;
  readonly write: (rows: Rows) => string;
}

export function arrayJson(rows: Rows, write: WriteRow): string {
  let json = '[';
  for (const [at, row] of rows.entries()) json += at === 0 ? write(row) : `,${write(row)}`;
  return `${json}]`;
}
