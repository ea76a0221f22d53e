import fc from 'fast-check';
import type { GeneratorValue } from 'fast-check';
import { encodeCursor } from '#gateway/compile/cursor.ts';
import { encodeNodeId } from '#gateway/compile/node-id.ts';
import type {
  ColumnModel,
  RelationModel,
  SchemaModel,
  TableModel,
} from '#gateway/model/schema-model.ts';
import { aggregated } from '#gateway/schema/aggregate-types.ts';
import { screaming } from '#gateway/naming/names.ts';
import { VALUES } from '#tests/gateway/oracle/world.ts';
import type { World, WorldType } from '#tests/gateway/oracle/world.ts';

export interface DrawnDocument {
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

/** Draws documents that ask for anything the schema has, some of it by variables and fragments. */
export class DocumentDrawer {
  readonly #g: GeneratorValue;
  readonly #model: SchemaModel;
  readonly #world: World;
  #definitions: string[] = [];
  #variables: Record<string, unknown> = {};
  #fragments: string[] = [];

  constructor(g: GeneratorValue, model: SchemaModel, world: World) {
    this.#g = g;
    this.#model = model;
    this.#world = world;
  }

  draw(): DrawnDocument {
    this.#definitions = [];
    this.#variables = {};
    this.#fragments = [];
    const roots = this.#times(1, 3, (at) => `r${at}: ${this.#root()}`);
    if (this.#maybe(4)) roots.push('__typename');
    const head = this.#definitions.length === 0 ? '' : `(${this.#definitions.join(', ')})`;
    return {
      query: `query Drawn${head} { ${roots.join(' ')} } ${this.#fragments.join(' ')}`,
      variables: this.#variables,
    };
  }

  #root(): string {
    const table = this.#pick([...this.#model.tables.values()]);
    switch (this.#pick(['list', 'connection', 'connection', 'key', 'node'])) {
      case 'list':
        return `${table.pluralField}List${this.#listArguments(table)} ${this.#row(table, 3)}`;
      case 'connection':
        return `${table.pluralField}${this.#connectionArguments(table)} ${this.#connection(table, 3)}`;
      case 'key': {
        const values = table.key.map((column) => `${column.field}: ${this.#value(column)}`);
        return `${table.singularField}(${values.join(', ')}) ${this.#row(table, 3)}`;
      }
      default: {
        const id = encodeNodeId(
          table.typeName,
          table.key.map((column) => this.#text(column)),
        );
        const given = this.#given('ID!', id, JSON.stringify(id));
        return `node(id: ${given}) { nodeId ... on ${table.typeName} ${this.#row(table, 2)} }`;
      }
    }
  }

  #row(table: TableModel, depth: number): string {
    const fields = this.#times(1, 4, (at) => {
      const column = this.#pick(table.columns);
      return this.#maybe(3) ? `a${at}_${column.field}: ${column.field}` : column.field;
    });
    if (this.#maybe(5)) fields.push('nodeId');
    if (this.#maybe(6)) fields.push('__typename');
    if (depth > 0 && table.relations.length > 0) {
      fields.push(
        ...this.#times(
          0,
          2,
          (at) => `x${depth}${at}: ${this.#relation(this.#pick(table.relations), depth - 1)}`,
        ),
      );
    }
    const conditional = this.#maybe(6)
      ? ` @include(if: ${this.#given('Boolean!', true, 'true')})`
      : '';
    const skipped = this.#maybe(8)
      ? ` ... @skip(if: true) { ${table.columns[0]?.field ?? ''} }`
      : '';
    if (this.#maybe(5)) {
      const name = `F${this.#fragments.length}`;
      this.#fragments.push(`fragment ${name} on ${table.typeName} { ${fields.join(' ')} }`);
      return `{ ${table.columns[0]?.field ?? ''} ...${name}${conditional}${skipped} }`;
    }
    const first = table.columns[0]?.field ?? '';
    return `{ ${first} ...${conditional} { ${fields.join(' ')} }${skipped} }`;
  }

  #relation(relation: RelationModel, depth: number): string {
    const { target, field, kind } = relation;
    if (kind === 'one') return `${field} ${this.#row(target, depth)}`;
    if (this.#maybe(2))
      return `${field}List${this.#listArguments(target)} ${this.#row(target, depth)}`;
    return `${field}${this.#connectionArguments(target)} ${this.#connection(target, depth)}`;
  }

  #connection(table: TableModel, depth: number): string {
    const parts = [
      (): string => `nodes ${this.#row(table, depth - 1)}`,
      (): string => `edges { cursor node ${this.#row(table, depth - 1)} }`,
      (): string => `more: edges { node ${this.#row(table, 0)} }`,
      (): string => 'totalCount',
      (): string => 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }',
      (): string => 'pageInfo { hasNextPage }',
      (): string => 'pageInfo { behind: hasPreviousPage }',
      (): string => `aggregates { count ${this.#aggregates(table)} }`,
    ];
    const chosen = new Set(this.#times(1, 3, () => this.#pick(parts)));
    return `{ ${[...chosen].map((make) => make()).join(' ')} }`;
  }

  #aggregates(table: TableModel): string {
    return (['sum', 'min', 'max'] as const)
      .flatMap((name) => {
        const columns = table.columns.filter((column) => aggregated(column, name) !== null);
        if (columns.length === 0) return [];
        return [`${name} { ${this.#pick(columns).field} }`];
      })
      .join(' ');
  }

  #listArguments(table: TableModel): string {
    return listed([...this.#common(table), ...this.#count('first'), ...this.#offset()]);
  }

  #connectionArguments(table: TableModel): string {
    const order = this.#maybe(2) ? this.#order(table) : null;
    const way = this.#pick(['first', 'last']);
    const args = [
      ...this.#where(table),
      ...this.#count(way),
      ...(order === null ? [] : [order.argument]),
    ];
    if (way === 'first' && this.#maybe(4)) args.push(...this.#offset());
    for (const name of ['after', 'before']) {
      if (!this.#maybe(4)) continue;
      const cursor = this.#cursor(table, order?.names ?? []);
      if (cursor !== null)
        args.push(`${name}: ${this.#given('Cursor', cursor, JSON.stringify(cursor))}`);
    }
    return listed(args);
  }

  #common(table: TableModel): readonly string[] {
    return [...this.#where(table), ...(this.#maybe(2) ? [this.#order(table).argument] : [])];
  }

  #count(name: string): readonly string[] {
    if (name === 'first' && this.#maybe(3)) return [];
    const count = this.#g(fc.integer, { min: 0, max: 5 });
    return [`${name}: ${this.#given('Int', count, String(count))}`];
  }

  #offset(): readonly string[] {
    if (!this.#maybe(4)) return [];
    return [`offset: ${this.#g(fc.integer, { min: 0, max: 3 })}`];
  }

  #order(table: TableModel): { readonly argument: string; readonly names: readonly Term[] } {
    const names = this.#times(1, 3, (): Term => {
      const column = this.#pick(table.columns);
      const ways = [
        'ASC',
        'DESC',
        ...(column.notNull ? [] : ['ASC_NULLS_FIRST', 'DESC_NULLS_LAST']),
      ];
      return { column, way: this.#pick(ways) };
    });
    const values = names.map(({ column, way }) => `${screaming(column.field)}_${way}`);
    const given = this.#given(`[${table.typeName}OrderBy!]`, values, `[${values.join(', ')}]`);
    return { argument: `orderBy: ${given}`, names };
  }

  /** The place of a row that exists, in the order that is asked for. */
  #cursor(table: TableModel, order: readonly Term[]): string | null {
    const source = this.#world.find(({ name }) => name === table.table);
    if (source === undefined || source.rows.length === 0) return null;
    const row = this.#pick(source.rows);
    const terms: Term[] = [];
    for (const term of [...order, ...table.key.map((column): Term => ({ column, way: 'ASC' }))]) {
      if (!terms.some((other) => other.column === term.column)) terms.push(term);
    }
    const name = terms
      .map(({ column, way }) => {
        const suffix =
          { ASC: '', DESC: '-', ASC_NULLS_FIRST: '<', DESC_NULLS_LAST: '->' }[way] ?? '';
        return `${column.field}${suffix}`;
      })
      .join(',');
    const values = terms.map(({ column }) => {
      const at = source.columns.findIndex((one) => one.name === column.column);
      return row[at] ?? null;
    });
    return encodeCursor(name, values);
  }

  #where(table: TableModel): readonly string[] {
    if (!this.#maybe(2)) return [];
    const filter = this.#filter(table, 2);
    return [`where: ${this.#given(`${table.typeName}Filter`, filter.json, filter.literal)}`];
  }

  #filter(table: TableModel, depth: number): Both {
    const fields = new Map<string, Both>();
    for (const name of this.#times(0, 2, () => this.#pick(table.columns).field)) {
      const column = table.columns.find(({ field }) => field === name);
      if (column !== undefined) fields.set(name, this.#operators(column));
    }
    if (depth > 0 && this.#maybe(3)) {
      const list = this.#times(0, 2, () => this.#filter(table, depth - 1));
      fields.set(this.#pick(['and', 'or']), listBoth(list));
    }
    if (depth > 0 && this.#maybe(4)) fields.set('not', this.#filter(table, depth - 1));
    if (depth > 0 && table.relations.length > 0 && this.#maybe(2)) {
      const { field, kind, target } = this.#pick(table.relations);
      const inner = this.#filter(target, depth - 1);
      const quantifier = this.#pick(['some', 'every', 'none']);
      fields.set(field, kind === 'one' ? inner : objectBoth(new Map([[quantifier, inner]])));
    }
    return objectBoth(fields);
  }

  #operators(column: ColumnModel): Both {
    const text = ['startsWith', 'endsWith', 'includes'];
    const operators = [
      'eq',
      'ne',
      'in',
      'notIn',
      'isNull',
      'lt',
      'lte',
      'gt',
      'gte',
      ...(column.type.name === 'String' ? text : []),
    ];
    const operator = this.#pick(operators);
    if (operator === 'isNull') {
      const value = this.#g(fc.boolean);
      return objectBoth(new Map([[operator, { json: value, literal: String(value) }]]));
    }
    if (operator === 'in' || operator === 'notIn') {
      return objectBoth(
        new Map([[operator, listBoth(this.#times(0, 3, () => this.#both(column)))]]),
      );
    }
    const isNull = (operator === 'eq' || operator === 'ne') && this.#maybe(5);
    const value = isNull ? { json: null, literal: 'null' } : this.#both(column);
    return objectBoth(new Map([[operator, value]]));
  }

  #both(column: ColumnModel): Both {
    const text = this.#text(column);
    switch (column.type.name) {
      case 'Int':
        return { json: Number(text), literal: text };
      case 'Boolean':
        return { json: text === 'true', literal: text };
      case 'Mood':
        return { json: text.replace('-', '_'), literal: text.replace('-', '_') };
      default:
        return { json: text, literal: JSON.stringify(text) };
    }
  }

  #value(column: ColumnModel): string {
    const { json, literal } = this.#both(column);
    return this.#given(`${column.type.name}!`, json, literal);
  }

  #text(column: ColumnModel): string {
    const types: Readonly<Record<string, WorldType>> = {
      Int: 'int4',
      BigInt: 'int8',
      Decimal: 'numeric',
      String: 'text',
      Boolean: 'bool',
      DateTime: 'timestamptz',
      Mood: 'mood',
    };
    if (column.column === 'part') return this.#pick(['a', 'b']);
    if (column.column === 'id' || column.column.endsWith('_id'))
      return this.#pick(['0', '1', '2', '5']);
    return this.#pick(VALUES[types[column.type.name] ?? 'text']);
  }

  /** As a literal, or by a variable. */
  #given(type: string, json: unknown, literal: string): string {
    if (!this.#maybe(3)) return literal;
    const name = `v${this.#definitions.length}`;
    this.#definitions.push(`$${name}: ${type}`);
    this.#variables[name] = json;
    return `$${name}`;
  }

  #maybe(oneIn: number): boolean {
    return this.#g(fc.integer, { min: 1, max: oneIn }) === 1;
  }

  #pick<Value>(values: readonly Value[]): Value {
    const value = values[this.#g(fc.integer, { min: 0, max: values.length - 1 })];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }

  #times<Value>(min: number, max: number, make: (at: number) => Value): Value[] {
    return Array.from({ length: this.#g(fc.integer, { min, max }) }, (_, at) => make(at));
  }
}

interface Term {
  readonly column: ColumnModel;
  readonly way: string;
}

/** A value as JSON, and as a GraphQL literal. */
interface Both {
  readonly json: unknown;
  readonly literal: string;
}

function objectBoth(fields: ReadonlyMap<string, Both>): Both {
  return {
    json: Object.fromEntries([...fields].map(([name, { json }]) => [name, json])),
    literal: `{${[...fields].map(([name, { literal }]) => `${name}: ${literal}`).join(', ')}}`,
  };
}

function listBoth(items: readonly Both[]): Both {
  return {
    json: items.map(({ json }) => json),
    literal: `[${items.map(({ literal }) => literal).join(', ')}]`,
  };
}

function listed(args: readonly string[]): string {
  return args.length === 0 ? '' : `(${args.join(', ')})`;
}
