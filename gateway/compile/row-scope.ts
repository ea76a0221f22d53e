import type { TableModel } from '#gateway/model/schema-model.ts';
import { quoteName } from '#gateway/pg/sql-text.ts';

/** A row that expressions can speak of: a table under an alias. */
export interface RowScope {
  readonly table: TableModel;
  /** `t1."name"`. */
  ref(column: string): string;
}

export function rowScope(table: TableModel, alias: string): RowScope {
  return { table, ref: (column) => `${alias}.${quoteName(column)}` };
}

/** One that notes which columns were spoken of: what RETURNING must give. */
export function notingScope(table: TableModel, alias: string, columns: Set<string>): RowScope {
  return {
    table,
    ref: (column) => {
      columns.add(column);
      return `${alias}.${quoteName(column)}`;
    },
  };
}
