import { keyParts, rowKey } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Relation } from '#core/relation.ts';
import { filterSql } from '#gateway/compile/filter-sql.ts';
import { objectTypeOf } from '#gateway/compile/object-sql.ts';
import { RowColumns } from '#gateway/compile/row-columns.ts';
import { rowScope } from '#gateway/compile/row-scope.ts';
import type { RowScope } from '#gateway/compile/row-scope.ts';
import { select } from '#gateway/compile/selection.ts';
import type { Selected, Source } from '#gateway/compile/selection.ts';
import { Compilation } from '#gateway/compile/statement.ts';
import type { ParameterText, RowLimits } from '#gateway/compile/statement.ts';
import type { WriteRow } from '#gateway/execution/row-json.ts';
import type { TableModel } from '#gateway/model/schema-model.ts';
import { arrayText } from '#gateway/pg/sql-text.ts';
import type { Row, Sql } from '#gateway/pg/sql-text.ts';

interface Statement {
  readonly text: string;
  readonly parameters: readonly ParameterText[];
  readonly write: WriteRow;
}

/** What a subscription reads: its table, under its filter, what it selected of each row. */
export interface Reading {
  readonly table: TableModel;
  /** The subscription's field: its arguments hold the filter. */
  readonly root: Selected;
  /** Null when rows themselves are not asked for. */
  readonly node: Selected | null;
  readonly source: Source;
  readonly limits: RowLimits;
}

const KEYS = 'everywrite_keys';

/** Rows of one table under a filter, as JSON of what is selected: by their keys, or page by page. */
export class TableReader {
  readonly #reading: Reading;
  readonly #relation: Relation;
  readonly #byKeys: Statement;
  readonly #firstPage: Statement;
  readonly #nextPage: Statement;
  /** Of the statement that is being sent: keys, or where a page begins and how long it is. */
  #texts: readonly string[] = [];

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#relation = relationOf(reading.table);
    this.#byKeys = this.#statement((scope) => this.#joinKeys(scope));
    this.#firstPage = this.#statement((scope) => this.#inOrder(scope, 'first'));
    this.#nextPage = this.#statement((scope) => this.#inOrder(scope, 'next'));
  }

  /** Answers rows for `keyed`. */
  byKeys(keys: readonly RowKey[]): Sql {
    const parts = keys.map(keyParts);
    const { key } = this.#reading.table;
    return this.#sql(
      this.#byKeys,
      key.map((_, at) => arrayText(parts.map((texts) => texts[at] ?? null))),
    );
  }

  /** The row's place in the keys that were asked for, and its JSON. */
  keyed(row: Row): { readonly place: number; readonly json: string } {
    return { place: Number(row[0]) - 1, json: this.#byKeys.write(row) };
  }

  /** Answers rows for `paged`, in the order of the key. */
  page(after: readonly string[] | null, rows: number): Sql {
    const statement = after === null ? this.#firstPage : this.#nextPage;
    return this.#sql(statement, [...(after ?? []), String(rows)]);
  }

  paged(row: Row): {
    readonly key: RowKey;
    readonly texts: readonly string[];
    readonly json: string;
  } {
    const texts = row.slice(0, this.#reading.table.key.length).map((text) => text ?? '');
    return { key: rowKey(this.#relation, texts), texts, json: this.#firstPage.write(row) };
  }

  #statement(shape: (scope: RowScope) => Shape): Statement {
    const { table, root, node, source, limits } = this.#reading;
    const compilation = new Compilation(source, limits);
    const alias = compilation.alias();
    const scope = rowScope(table, alias);
    const { first, from, condition, tail } = shape(scope);
    const columns = new RowColumns();
    for (const sql of first) columns.at(sql);
    const sets = node === null ? [] : node.nodes.map(({ selectionSet }) => selectionSet);
    const selection = node === null ? [] : select(source, objectTypeOf(node), sets);
    const write = columns.object(selection, scope, compilation);
    const own = (part: Part): string => part.map((of) => this.#render(of, compilation)).join('');
    const where = root.arguments.get('where');
    const filter =
      where === undefined || where.value === null ? 'true' : filterSql(where, scope, compilation);
    const text = `SELECT ${columns.sql()} FROM ${table.sqlName} ${alias}${own(from)} WHERE ${filter}${own(condition)}${own(tail)}`;
    return { ...compilation.statement(text), write };
  }

  #render(part: Part[number], compilation: Compilation): string {
    if (typeof part === 'string') return part;
    const { at, sqlType } = part;
    return compilation.parameter(() => this.#texts[at] ?? null, sqlType);
  }

  #joinKeys(scope: RowScope): Shape {
    const { key } = this.#reading.table;
    const arrays = key.flatMap(({ type }, at): Part => {
      return [at === 0 ? '' : ', ', { at, sqlType: `${type.sqlType}[]` }];
    });
    const names = key.map((_, at) => `k${at}`);
    const equal = key.map(({ column }, at) => `${scope.ref(column)} = ${KEYS}.k${at}`);
    return {
      first: [`${KEYS}.place`],
      from: [
        ` JOIN unnest(`,
        ...arrays,
        `) WITH ORDINALITY AS ${KEYS}(${names.join(', ')}, place) ON ${equal.join(' AND ')}`,
      ],
      condition: [],
      tail: [],
    };
  }

  #inOrder(scope: RowScope, page: 'first' | 'next'): Shape {
    const { key } = this.#reading.table;
    const columns = key.map(({ column }) => scope.ref(column));
    const after = key.flatMap(({ type }, at): Part => {
      return [at === 0 ? '' : ', ', { at, sqlType: type.sqlType }];
    });
    const rows = page === 'first' ? 0 : key.length;
    return {
      first: columns.map((column) => `${column}::text`),
      from: [],
      condition: page === 'first' ? [] : [` AND (${columns.join(', ')}) > (`, ...after, ')'],
      tail: [` ORDER BY ${columns.join(', ')} LIMIT `, { at: rows, sqlType: 'bigint' }],
    };
  }

  #sql({ text, parameters }: Statement, texts: readonly string[]): Sql {
    this.#texts = texts;
    return { text, values: parameters.map((of) => of(this.#reading.source.variables)) };
  }
}

/** SQL, and parameters by their place in the texts that are given when it is sent. */
type Part = readonly (string | { readonly at: number; readonly sqlType: string })[];

interface Shape {
  readonly first: readonly string[];
  readonly from: Part;
  readonly condition: Part;
  readonly tail: Part;
}

/** Types whose texts are not one per value; OIDs as core/row-key.ts knows them. */
const KEY_OIDS: Readonly<Record<string, number>> = {
  '"pg_catalog"."numeric"': 1700,
  '"pg_catalog"."bpchar"': 1042,
  '"pg_catalog"."float4"': 700,
  '"pg_catalog"."float8"': 701,
};

function relationOf(table: TableModel): Relation {
  return {
    schema: table.schema,
    name: table.table,
    columns: table.key.map(({ column, type }) => {
      return { name: column, typeOid: KEY_OIDS[type.sqlType] ?? 0 };
    }),
    keyColumns: table.key.map((_, at) => at),
  };
}
