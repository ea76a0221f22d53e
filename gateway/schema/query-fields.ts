import { GraphQLBoolean, GraphQLID, GraphQLList, GraphQLNonNull } from 'graphql';
import type { GraphQLFieldConfigMap, GraphQLOutputType } from 'graphql';
import type { FunctionModel, SchemaModel, TableModel } from '#gateway/model/schema-model.ts';
import {
  connectionArguments,
  connectionType,
  field,
  keyArguments,
  listArguments,
  listOf,
  nodeInterface,
  nonNull,
  tableType,
} from '#gateway/schema/table-types.ts';
import type { Field } from '#gateway/schema/table-types.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';

type Fields = GraphQLFieldConfigMap<unknown, unknown>;

export function queryFields(model: SchemaModel, book: TypeBook): Fields {
  const fields: Fields = {
    node: field(
      nodeInterface(book),
      { kind: 'node' },
      {
        description: 'The row with this identifier, whatever its table.',
        args: { id: { type: new GraphQLNonNull(GraphQLID) } },
      },
    ),
  };
  for (const table of model.tables.values()) Object.assign(fields, tableFields(table, book));
  for (const of of model.functions.filter(({ kind }) => kind === 'query')) {
    fields[of.field] = functionField(of, book);
  }
  return fields;
}

function tableFields(table: TableModel, book: TypeBook): Fields {
  const type = tableType(table, book);
  const fields: Fields = {};
  if (table.can.many && table.key.length > 0) {
    fields[table.pluralField] = field(
      new GraphQLNonNull(connectionType(table, book)),
      { kind: 'table', table, as: 'connection' },
      { description: table.description, args: connectionArguments(table, book) },
    );
  }
  if (table.can.many) {
    fields[`${table.pluralField}List`] = field(
      listOf(type),
      { kind: 'table', table, as: 'list' },
      { description: table.description, args: listArguments(table, book) },
    );
  }
  for (const { columns, field: name } of table.uniques) {
    fields[name ?? table.singularField] = field(
      type,
      { kind: 'byKey', table, columns },
      { args: keyArguments(columns, book) },
    );
  }
  return fields;
}

export function functionField(of: FunctionModel, book: TypeBook): Field {
  return field(
    functionResult(of, book),
    { kind: 'function', function: of },
    {
      description: of.description,
      deprecationReason: of.deprecated,
      args: functionArguments(of, book),
    },
  );
}

export function functionArguments(of: FunctionModel, book: TypeBook): NonNullable<Field['args']> {
  return Object.fromEntries(
    of.arguments.map(({ field: name, type, optional }) => [
      name,
      { type: optional ? book.input(type) : new GraphQLNonNull(book.input(type)) },
    ]),
  );
}

/** A set is a list of what there is; a single result may be NULL. */
export function functionResult(of: FunctionModel, book: TypeBook): GraphQLOutputType {
  const { returns, returnsSet } = of;
  switch (returns.kind) {
    case 'table':
      return returnsSet ? listOf(tableType(returns.table, book)) : tableType(returns.table, book);
    case 'value': {
      const type = book.output(returns.type);
      return returnsSet ? nonNull(new GraphQLList(type)) : type;
    }
    case 'void':
      return GraphQLBoolean;
    default:
      return returns satisfies never;
  }
}
