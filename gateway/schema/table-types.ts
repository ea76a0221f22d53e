import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
} from 'graphql';
import type {
  GraphQLEnumValueConfigMap,
  GraphQLFieldConfig,
  GraphQLFieldConfigArgumentMap,
  GraphQLFieldConfigMap,
  GraphQLInputFieldConfigMap,
  GraphQLOutputType,
} from 'graphql';
import type { ColumnModel, RelationModel, TableModel } from '#gateway/model/schema-model.ts';
import { aggregatesType } from '#gateway/schema/aggregate-types.ts';
import { meaning } from '#gateway/schema/field-meaning.ts';
import type { ConnectionPart, FieldMeaning, PageInfoName } from '#gateway/schema/field-meaning.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';
import { screaming } from '#gateway/naming/names.ts';

export type Field = GraphQLFieldConfig<unknown, unknown>;
type Fields = GraphQLFieldConfigMap<unknown, unknown>;

/** One way to sort: a column, a direction, and where NULL goes. */
export interface OrderTerm {
  readonly column: ColumnModel;
  readonly direction: 'asc' | 'desc';
  readonly nulls: 'first' | 'last';
}

export function field(
  type: GraphQLOutputType,
  means: FieldMeaning,
  more: Partial<Field> = {},
): Field {
  return { type, ...more, ...meaning(means) };
}

export function nodeInterface(book: TypeBook): GraphQLInterfaceType {
  return book.once('Node', () => {
    return new GraphQLInterfaceType({
      name: 'Node',
      description: 'A row that can be found again by one identifier.',
      fields: { nodeId: { type: new GraphQLNonNull(GraphQLID) } },
    });
  });
}

export function tableType(table: TableModel, book: TypeBook): GraphQLObjectType {
  return book.once(table.typeName, () => {
    return new GraphQLObjectType({
      name: table.typeName,
      description: table.description,
      interfaces: table.key.length === 0 ? [] : [nodeInterface(book)],
      extensions: { everywriteTable: table },
      fields: () => tableFields(table, book),
    });
  });
}

function tableFields(table: TableModel, book: TypeBook): Fields {
  const fields: Fields = {};
  if (table.key.length > 0) {
    fields['nodeId'] = field(new GraphQLNonNull(GraphQLID), { kind: 'nodeId' });
  }
  for (const column of table.columns) {
    const type = book.output(column.type);
    fields[column.field] = field(
      column.notNull ? nonNull(type) : type,
      { kind: 'column', column },
      { description: column.description, deprecationReason: column.deprecated },
    );
  }
  for (const relation of table.relations) Object.assign(fields, relationFields(relation, book));
  return fields;
}

function relationFields(relation: RelationModel, book: TypeBook): Fields {
  const { target } = relation;
  const more = { description: relation.description, deprecationReason: relation.deprecated };
  if (relation.kind === 'one') {
    const means: FieldMeaning = { kind: 'relation', relation, as: 'one' };
    return { [relation.field]: field(tableType(target, book), means, more) };
  }
  const list: FieldMeaning = { kind: 'relation', relation, as: 'list' };
  const connection: FieldMeaning = { kind: 'relation', relation, as: 'connection' };
  return {
    ...(target.key.length === 0
      ? {}
      : {
          [relation.field]: field(new GraphQLNonNull(connectionType(target, book)), connection, {
            ...more,
            args: connectionArguments(target, book),
          }),
        }),
    [`${relation.field}List`]: field(listOf(tableType(target, book)), list, {
      ...more,
      args: listArguments(target, book),
    }),
  };
}

export function listOf(type: GraphQLObjectType): GraphQLOutputType {
  return new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)));
}

/** Non-null of anything; a type that is non-null already stays. */
export function nonNull(type: GraphQLOutputType): GraphQLOutputType {
  return type instanceof GraphQLNonNull ? type : new GraphQLNonNull(type);
}

export function listArguments(table: TableModel, book: TypeBook): GraphQLFieldConfigArgumentMap {
  const orders = orderType(table, book);
  return {
    first: { type: GraphQLInt, description: 'At most so many.' },
    offset: { type: GraphQLInt, description: 'Leave out so many in front.' },
    ...(table.can.filter ? { where: { type: filterType(table, book) } } : {}),
    ...(orders === null ? {} : { orderBy: { type: new GraphQLList(new GraphQLNonNull(orders)) } }),
  };
}

export function connectionArguments(
  table: TableModel,
  book: TypeBook,
): GraphQLFieldConfigArgumentMap {
  const cursor = book.scalar('Cursor');
  return {
    ...listArguments(table, book),
    last: { type: GraphQLInt, description: 'At most so many, from the end.' },
    after: { type: cursor, description: 'Only what comes after this cursor.' },
    before: { type: cursor, description: 'Only what comes before this cursor.' },
  };
}

export function connectionType(table: TableModel, book: TypeBook): GraphQLObjectType {
  const name = `${table.typeName}Connection`;
  return book.once(name, () => {
    const part = (type: GraphQLOutputType, of: ConnectionPart): Field => {
      return field(nonNull(type), { kind: 'connectionPart', part: of });
    };
    return new GraphQLObjectType({
      name,
      extensions: { everywriteTable: table },
      fields: () => ({
        edges: field(listOf(edgeType(table, book)), { kind: 'connectionPart', part: 'edges' }),
        nodes: field(listOf(tableType(table, book)), { kind: 'connectionPart', part: 'nodes' }),
        pageInfo: part(pageInfo(book), 'pageInfo'),
        totalCount: part(GraphQLInt, 'totalCount'),
        aggregates: part(aggregatesType(table, book), 'aggregates'),
      }),
    });
  });
}

function edgeType(table: TableModel, book: TypeBook): GraphQLObjectType {
  const name = `${table.typeName}Edge`;
  return book.once(name, () => {
    return new GraphQLObjectType({
      name,
      extensions: { everywriteTable: table },
      fields: () => ({
        cursor: field(new GraphQLNonNull(book.scalar('Cursor')), {
          kind: 'edgePart',
          part: 'cursor',
        }),
        node: field(new GraphQLNonNull(tableType(table, book)), { kind: 'edgePart', part: 'node' }),
      }),
    });
  });
}

function pageInfo(book: TypeBook): GraphQLObjectType {
  return book.once('PageInfo', () => {
    const part = (name: PageInfoName, type: GraphQLOutputType): Fields => ({
      [name]: field(type, { kind: 'pageInfoPart', part: name }),
    });
    return new GraphQLObjectType({
      name: 'PageInfo',
      fields: {
        ...part('hasNextPage', new GraphQLNonNull(GraphQLBoolean)),
        ...part('hasPreviousPage', new GraphQLNonNull(GraphQLBoolean)),
        ...part('startCursor', book.scalar('Cursor')),
        ...part('endCursor', book.scalar('Cursor')),
      },
    });
  });
}

/** `UserFilter`: columns by operator, relations by their own filters, and / or / not. */
export function filterType(table: TableModel, book: TypeBook): GraphQLInputObjectType {
  const name = `${table.typeName}Filter`;
  return book.once(name, () => {
    return new GraphQLInputObjectType({ name, fields: () => filterFields(table, book) });
  });
}

function filterFields(table: TableModel, book: TypeBook): GraphQLInputFieldConfigMap {
  const fields: GraphQLInputFieldConfigMap = {};
  for (const column of table.columns) {
    if (column.can.filter) fields[column.field] = { type: book.filter(column.type) };
  }
  for (const { field: name, kind, target } of table.relations) {
    if (!target.can.filter) continue;
    fields[name] = { type: kind === 'one' ? filterType(target, book) : quantifier(target, book) };
  }
  const each = new GraphQLList(new GraphQLNonNull(filterType(table, book)));
  return {
    ...fields,
    and: { type: each },
    or: { type: each },
    not: { type: filterType(table, book) },
  };
}

function quantifier(table: TableModel, book: TypeBook): GraphQLInputObjectType {
  const name = `${table.typeName}ListFilter`;
  return book.once(name, () => {
    const type = filterType(table, book);
    return new GraphQLInputObjectType({
      name,
      fields: { some: { type }, every: { type }, none: { type } },
    });
  });
}

function orderType(table: TableModel, book: TypeBook): GraphQLEnumType | null {
  if (!table.can.order || !table.columns.some((column) => column.can.order)) return null;
  const name = `${table.typeName}OrderBy`;
  return book.once(name, () => {
    return new GraphQLEnumType({
      name,
      values: orderValues(table),
      extensions: { structural: true },
    });
  });
}

/** NULL is greater than everything, as PostgreSQL has it, unless the value says otherwise. */
function orderValues(table: TableModel): GraphQLEnumValueConfigMap {
  const values: GraphQLEnumValueConfigMap = {};
  for (const column of table.columns.filter(({ can }) => can.order)) {
    const add = (suffix: string, direction: 'asc' | 'desc', nulls: 'first' | 'last'): void => {
      const value: OrderTerm = { column, direction, nulls };
      values[`${screaming(column.field)}_${suffix}`] = {
        value,
        deprecationReason: column.deprecated,
      };
    };
    add('ASC', 'asc', 'last');
    add('DESC', 'desc', 'first');
    if (column.notNull) continue;
    add('ASC_NULLS_FIRST', 'asc', 'first');
    add('DESC_NULLS_LAST', 'desc', 'last');
  }
  return values;
}

export function keyArguments(
  columns: readonly ColumnModel[],
  book: TypeBook,
): GraphQLFieldConfigArgumentMap {
  return Object.fromEntries(
    columns.map((column) => [column.field, { type: new GraphQLNonNull(book.input(column.type)) }]),
  );
}
