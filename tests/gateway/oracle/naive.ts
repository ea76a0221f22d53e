import { execute, parse } from 'graphql';
import type { ExecutionResult, GraphQLFieldResolver } from 'graphql';
import { decodeCursor, encodeCursor } from '#gateway/compile/cursor.ts';
import { decodeNodeId, encodeNodeId } from '#gateway/compile/node-id.ts';
import { orderName } from '#gateway/compile/order-sql.ts';
import type { Engine } from '#gateway/execution/engine.ts';
import type { ColumnModel, RelationModel, TableModel } from '#gateway/model/schema-model.ts';
import { columnOf } from '#gateway/model/schema-model.ts';
import { meaningOf } from '#gateway/schema/field-meaning.ts';
import type { AggregateName } from '#gateway/schema/field-meaning.ts';
import type { OrderTerm } from '#gateway/schema/table-types.ts';
import type { World } from '#tests/gateway/oracle/world.ts';

/**
 * The oracle: graphql-js over plain resolvers on rows in memory. It says what filters, orders, pages and
 * aggregates mean in the simplest words, and knows no SQL.
 */
interface RowOf {
  readonly table: TableModel;
  readonly values: ReadonlyMap<string, string | null>;
}

interface Connection {
  readonly rows: readonly RowOf[];
  readonly all: readonly RowOf[];
  readonly terms: readonly OrderTerm[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

type Filter = Readonly<Record<string, unknown>>;
type Args = Readonly<Record<string, unknown>>;

const DEFAULT_ROWS = 100;

export class Naive {
  readonly #engine: Engine;
  readonly #rows = new Map<string, readonly RowOf[]>();

  constructor(engine: Engine, world: World) {
    this.#engine = engine;
    for (const table of engine.model.tables.values()) {
      const source = world.find(({ name }) => name === table.table);
      this.#rows.set(
        table.typeName,
        (source?.rows ?? []).map((row) => ({
          table,
          values: new Map(source?.columns.map((column, at) => [column.name, row[at] ?? null])),
        })),
      );
    }
  }

  execute(query: string, variables: Record<string, unknown>): ExecutionResult {
    return execute({
      schema: this.#engine.schema,
      document: parse(query),
      variableValues: variables,
      fieldResolver: this.#resolve,
      typeResolver: (value) => (value as RowOf).table.typeName,
    }) as ExecutionResult;
  }

  readonly #resolve: GraphQLFieldResolver<unknown, unknown, Args> = (source, args, _, info) => {
    const field = info.parentType.getFields()[info.fieldName];
    const means = field === undefined ? null : meaningOf(field);
    if (means === null) return undefined;
    switch (means.kind) {
      case 'column':
        return jsonOf(means.column, source as RowOf);
      case 'nodeId':
        return nodeId(source as RowOf);
      case 'relation': {
        const rows = this.#related(source as RowOf, means.relation);
        if (means.as === 'one') return rows[0] ?? null;
        const page = this.#page(means.relation.target, rows, args);
        return means.as === 'list' ? page.rows : page;
      }
      case 'table': {
        const page = this.#page(means.table, this.#all(means.table), args);
        return means.as === 'list' ? page.rows : page;
      }
      case 'byKey':
        return this.#all(means.table).find((row) => {
          return means.columns.every(
            (column) => textIn(row, column) === String(args[column.field]),
          );
        });
      case 'node': {
        const decoded = decodeNodeId(String(args['id']));
        const table = this.#engine.model.tables.get(decoded?.type ?? '');
        return table === undefined
          ? null
          : this.#all(table).find((row) => nodeId(row) === args['id']);
      }
      case 'connectionPart':
        return connectionPart(source as Connection, means.part);
      case 'edgePart': {
        const { row, terms } = source as { row: RowOf; terms: readonly OrderTerm[] };
        return means.part === 'node' ? row : cursorOf(row, terms);
      }
      case 'pageInfoPart': {
        const page = source as Connection;
        if (means.part === 'hasNextPage' || means.part === 'hasPreviousPage')
          return page[means.part];
        const row = means.part === 'startCursor' ? page.rows[0] : page.rows.at(-1);
        return row === undefined ? null : cursorOf(row, page.terms);
      }
      case 'aggregateCount':
        return String((source as readonly RowOf[]).length);
      case 'aggregateGroup':
        return { rows: source, function: means.function };
      case 'aggregateValue': {
        const group = source as { rows: readonly RowOf[]; function: AggregateName };
        return aggregate(group.rows, means.column, group.function);
      }
      default:
        throw new Error(`the oracle knows no ${means.kind}`);
    }
  };

  #all(table: TableModel): readonly RowOf[] {
    return this.#rows.get(table.typeName) ?? [];
  }

  #related(row: RowOf, relation: RelationModel): readonly RowOf[] {
    return this.#all(relation.target).filter((other) => {
      return relation.columns.every(([own, theirs]) => {
        const value = textIn(row, own);
        return value !== null && value === textIn(other, theirs);
      });
    });
  }

  #page(table: TableModel, candidates: readonly RowOf[], args: Args): Connection {
    const where = args['where'] as Filter | undefined | null;
    const asked = (args['orderBy'] ?? []) as readonly OrderTerm[];
    const terms: OrderTerm[] = [];
    for (const term of [...asked, ...table.key.map(byKey)]) {
      if (!terms.some((other) => other.column === term.column)) terms.push(term);
    }
    const all = candidates
      .filter((row) => where === undefined || where === null || this.#matches(row, where))
      .toSorted((one, other) => compareRows(terms, one, other));
    const place = (name: string): readonly (string | null)[] | null => {
      const cursor = args[name];
      return typeof cursor === 'string' ? (decodeCursor(cursor)?.values ?? null) : null;
    };
    const [after, before] = [place('after'), place('before')];
    let rows = all.filter((row) => {
      return (
        (after === null || compareToPlace(terms, row, after) > 0) &&
        (before === null || compareToPlace(terms, row, before) < 0)
      );
    });
    const offset = (args['offset'] ?? 0) as number;
    const last = args['last'] as number | null | undefined;
    const count = last ?? (args['first'] as number | null | undefined) ?? DEFAULT_ROWS;
    const behindCursor = (cursor: readonly (string | null)[] | null, sign: number): boolean => {
      return cursor !== null && all.some((row) => compareToPlace(terms, row, cursor) * sign <= 0);
    };
    if (last === null || last === undefined) {
      rows = rows.slice(offset);
      const hasNextPage = rows.length > count;
      const hasPreviousPage =
        behindCursor(after, 1) || (after === null && offset > 0 && all.length > 0);
      return { rows: rows.slice(0, count), all, terms, hasNextPage, hasPreviousPage };
    }
    rows = rows.slice(0, Math.max(0, rows.length - offset));
    return {
      rows: count === 0 ? [] : rows.slice(-count),
      all,
      terms,
      hasPreviousPage: rows.length > count,
      hasNextPage: behindCursor(before, -1),
    };
  }

  #matches(row: RowOf, filter: Filter): boolean {
    return Object.entries(filter).every(([name, value]) => {
      if (name === 'and')
        return (value as readonly Filter[]).every((one) => this.#matches(row, one));
      if (name === 'or') return (value as readonly Filter[]).some((one) => this.#matches(row, one));
      if (name === 'not') return !this.#matches(row, value as Filter);
      const column = columnOf(row.table, name);
      if (column !== undefined) return columnMatches(row, column, value as Filter);
      const relation = row.table.relations.find(({ field }) => field === name);
      if (relation === undefined) throw new Error(`no filter ${name}`);
      const rows = this.#related(row, relation);
      if (relation.kind === 'one') return rows.some((one) => this.#matches(one, value as Filter));
      return Object.entries(value as Readonly<Record<string, Filter>>).every(
        ([quantifier, inner]) => {
          if (quantifier === 'some') return rows.some((one) => this.#matches(one, inner));
          if (quantifier === 'none') return !rows.some((one) => this.#matches(one, inner));
          return rows.every((one) => this.#matches(one, inner));
        },
      );
    });
  }
}

function connectionPart(page: Connection, part: string): unknown {
  switch (part) {
    case 'edges':
      return page.rows.map((row) => ({ row, terms: page.terms }));
    case 'nodes':
      return page.rows;
    case 'totalCount':
      return page.all.length;
    case 'aggregates':
      return page.all;
    default:
      return page;
  }
}

function byKey(column: ColumnModel): OrderTerm {
  return { column, direction: 'asc', nulls: 'last' };
}

function textIn(row: RowOf, column: ColumnModel): string | null {
  return row.values.get(column.column) ?? null;
}

function nodeId(row: RowOf): string {
  const { typeName, key } = row.table;
  return encodeNodeId(
    typeName,
    key.map((column) => textIn(row, column) ?? ''),
  );
}

function cursorOf(row: RowOf, terms: readonly OrderTerm[]): string {
  return encodeCursor(
    orderName(terms),
    terms.map(({ column }) => textIn(row, column)),
  );
}

function jsonOf(column: ColumnModel, row: RowOf): unknown {
  const text = textIn(row, column);
  return text === null ? null : jsonOfText(column, text);
}

function jsonOfText(column: ColumnModel, text: string): unknown {
  switch (column.type.name) {
    case 'Int':
      return Number(text);
    case 'Boolean':
      return text === 'true';
    case 'DateTime':
      return text.replace(' ', 'T').replace('+00', '+00:00');
    default:
      return text;
  }
}

/** By value, as the type has it. */
function compare(column: ColumnModel, one: string, other: string): number {
  switch (column.type.name) {
    case 'Int':
    case 'BigInt':
    case 'Decimal': {
      const [a, b] = [scaled(one), scaled(other)];
      return a < b ? -1 : a > b ? 1 : 0;
    }
    case 'Boolean':
      return Number(one === 'true') - Number(other === 'true');
    case 'DateTime':
      return Date.parse(one) - Date.parse(other);
    case 'Mood':
      return ['good', 'so-so'].indexOf(one) - ['good', 'so-so'].indexOf(other);
    default:
      return Buffer.compare(Buffer.from(one), Buffer.from(other));
  }
}

const DECIMALS = 20;

function scaled(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const value = BigInt(whole + fraction.padEnd(DECIMALS, '0'));
  return text.startsWith('-') ? -value : value;
}

function compareTerm(term: OrderTerm, one: string | null, other: string | null): number {
  if (one === null || other === null) {
    if (one === other) return 0;
    return (one === null) === (term.nulls === 'first') ? -1 : 1;
  }
  return compare(term.column, one, other) * (term.direction === 'asc' ? 1 : -1);
}

function compareRows(terms: readonly OrderTerm[], one: RowOf, other: RowOf): number {
  return compareToPlace(
    terms,
    one,
    terms.map(({ column }) => textIn(other, column)),
  );
}

function compareToPlace(
  terms: readonly OrderTerm[],
  row: RowOf,
  place: readonly (string | null)[],
): number {
  for (const [at, term] of terms.entries()) {
    const order = compareTerm(term, textIn(row, term.column), place[at] ?? null);
    if (order !== 0) return order;
  }
  return 0;
}

function columnMatches(row: RowOf, column: ColumnModel, operators: Filter): boolean {
  const own = textIn(row, column);
  return Object.entries(operators).every(([operator, value]) => {
    if (operator === 'isNull') return (own === null) === value;
    if (operator === 'eq' && value === null) return own === null;
    if (operator === 'ne' && value === null) return own !== null;
    const texts = (Array.isArray(value) ? value : [value]).map(String);
    const equal = own !== null && texts.some((text) => compare(column, own, text) === 0);
    if (operator === 'eq' || operator === 'in') return equal;
    if (operator === 'ne' || operator === 'notIn') return !equal;
    if (own === null) return false;
    const [text = ''] = texts;
    switch (operator) {
      case 'lt':
        return compare(column, own, text) < 0;
      case 'lte':
        return compare(column, own, text) <= 0;
      case 'gt':
        return compare(column, own, text) > 0;
      case 'gte':
        return compare(column, own, text) >= 0;
      case 'startsWith':
        return own.startsWith(text);
      case 'endsWith':
        return own.endsWith(text);
      case 'includes':
        return own.includes(text);
      default:
        throw new Error(`the oracle knows no ${operator}`);
    }
  });
}

function aggregate(rows: readonly RowOf[], column: ColumnModel, name: AggregateName): unknown {
  const values = rows.flatMap((row) => textIn(row, column) ?? []);
  if (values.length === 0) return null;
  if (name === 'min' || name === 'max') {
    const sign = name === 'min' ? 1 : -1;
    const [best = ''] = values.toSorted((a, b) => compare(column, a, b) * sign);
    return jsonOfText(column, best);
  }
  if (name === 'avg') throw new Error('the oracle does not divide');
  const sum = values.reduce((total, value) => total + scaled(value), 0n);
  const digits = Math.max(...values.map((value) => value.split('.')[1]?.length ?? 0));
  return decimalText(sum, digits);
}

function decimalText(value: bigint, digits: number): string {
  const text = String(value < 0n ? -value : value).padStart(DECIMALS + 1, '0');
  const whole = text.slice(0, -DECIMALS);
  const fraction = text.slice(-DECIMALS).slice(0, digits);
  return `${value < 0n ? '-' : ''}${whole}${digits === 0 ? '' : `.${fraction}`}`;
}
