import { fieldSql } from '#gateway/compile/row-sql.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import { writtenByNode } from '#gateway/compile/value-sql.ts';
import { encodeCursor } from '#gateway/compile/cursor.ts';
import { encodeNodeId } from '#gateway/compile/node-id.ts';
import { orderName } from '#gateway/compile/order-sql.ts';
import type { ColumnModel } from '#gateway/model/schema-model.ts';
import { objectWriter } from '#gateway/execution/row-json.ts';
import type { ObjectPart, WriteRow } from '#gateway/execution/row-json.ts';
import type { OrderTerm } from '#gateway/schema/table-types.ts';
import type { Row } from '#gateway/pg/sql-text.ts';

/**
 * The columns of a statement whose rows Node writes as JSON: measured, for the outermost rows that is
 * cheaper than having PostgreSQL make JSON of them (npm run bench:gateway).
 */
export class RowColumns {
  readonly #columns: string[] = [];

  /** A column with this expression; the same expression is sent once. */
  at(sql: string): number {
    const known = this.#columns.indexOf(sql);
    if (known >= 0) return known;
    this.#columns.push(sql);
    return this.#columns.length - 1;
  }

  sql(): string {
    return this.#columns.length === 0 ? 'NULL' : this.#columns.join(', ');
  }

  /** How to write a row's object with these fields. */
  object(selection: readonly Selected[], scope: RowScope, compilation: Compilation): WriteRow {
    return objectWriter(selection.map((selected) => this.#part(selected, scope, compilation)));
  }

  cursor(terms: readonly OrderTerm[], scope: RowScope): (row: Row) => string {
    const order = orderName(terms);
    const places = terms.map(({ column }) => this.at(textSql(column, scope)));
    return (row) =>
      encodeCursor(
        order,
        places.map((at) => row[at] ?? null),
      );
  }

  #part(selected: Selected, scope: RowScope, compilation: Compilation): ObjectPart {
    const { key, means } = selected;
    if (means === null) {
      return { key, kind: 'constant', json: JSON.stringify(selected.parent.name) };
    }
    if (means.kind === 'nodeId') {
      const { typeName, key: columns } = scope.table;
      const places = columns.map((column) => this.at(textSql(column, scope)));
      const write: WriteRow = (row) => {
        return `"${encodeNodeId(
          typeName,
          places.map((at) => row[at] ?? ''),
        )}"`;
      };
      return { key, kind: 'written', write };
    }
    if (means.kind === 'column' && writtenByNode(means.column.type)) {
      const { type, column } = means.column;
      return { key, kind: 'column', at: this.at(scope.ref(column)), form: type.form };
    }
    const sql = fieldSql(selected, scope, compilation);
    const json = means.kind === 'column' ? `to_json(${sql})` : sql;
    return { key, kind: 'column', at: this.at(json), form: 'json' };
  }
}

/** The text that a cast to text gives: what is printed anyway, but for booleans. */
function textSql({ column, type }: ColumnModel, scope: RowScope): string {
  return type.form === 'boolean' ? `${scope.ref(column)}::text` : scope.ref(column);
}
