import {
  GraphQLEnumType,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql';
import type {
  GraphQLFieldConfigMap,
  GraphQLInputFieldConfigMap,
  GraphQLInputType,
  GraphQLOutputType,
} from 'graphql';
import type {
  ColumnModel,
  FunctionModel,
  SchemaModel,
  TableModel,
} from '#gateway/model/schema-model.ts';
import { meaning } from '#gateway/schema/field-meaning.ts';
import type { PayloadPart, WriteAction } from '#gateway/schema/field-meaning.ts';
import { mergeInput } from '#gateway/schema/merge-inputs.ts';
import { functionArguments, functionResult } from '#gateway/schema/query-fields.ts';
import { field, filterType, keyArguments, listOf, tableType } from '#gateway/schema/table-types.ts';
import type { Field } from '#gateway/schema/table-types.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';
import { upperFirst } from '#gateway/naming/names.ts';

type Fields = GraphQLFieldConfigMap<unknown, unknown>;
type Arguments = NonNullable<Field['args']>;

export function mutationFields(model: SchemaModel, book: TypeBook): Fields {
  const fields: Fields = {};
  for (const table of model.tables.values()) Object.assign(fields, tableMutations(table, book));
  for (const of of model.functions.filter(({ kind }) => kind === 'mutation')) {
    fields[of.field] = functionMutation(of, book);
  }
  return fields;
}

function tableMutations(table: TableModel, book: TypeBook): Fields {
  const many = upperFirst(table.pluralField);
  const one = table.typeName;
  const fields: Fields = {};
  const add = (
    name: string,
    action: WriteAction,
    single: 'one' | 'many',
    args: Arguments,
  ): void => {
    fields[name] = field(
      payloadType(table, book),
      { kind: 'write', write: { action, table, many: single === 'many' } },
      { args: { ...args, opId: operationId(book) } },
    );
  };
  const input = { type: new GraphQLNonNull(inputType(table, book)) };
  const inputs = { type: new GraphQLNonNull(new GraphQLList(input.type)) };
  const where = { type: new GraphQLNonNull(filterType(table, book)) };
  const atMost = {
    type: new GraphQLNonNull(GraphQLInt),
    description: 'If more rows are meant, nothing is changed and TOO_MANY_ROWS says so.',
  };
  if (table.can.create) {
    add(`create${one}`, 'create', 'one', { input });
    add(`create${many}`, 'create', 'many', { inputs });
  }
  if (table.can.create && table.can.update) {
    const onConflict = { type: conflictTargets(table, book) };
    add(`upsert${one}`, 'upsert', 'one', { input, onConflict });
    add(`upsert${many}`, 'upsert', 'many', { inputs, onConflict });
  }
  const patch = table.can.update ? patchType(table, book) : null;
  if (patch !== null) {
    const set = { type: new GraphQLNonNull(patch) };
    add(`update${one}`, 'update', 'one', { ...keyArguments(table.key, book), set });
    add(`update${many}`, 'update', 'many', { where, set, atMost });
  }
  if (table.can.delete) {
    add(`delete${one}`, 'delete', 'one', keyArguments(table.key, book));
    add(`delete${many}`, 'delete', 'many', { where, atMost });
  }
  return fields;
}

function operationId(book: TypeBook): { type: GraphQLInputType; description: string } {
  return {
    type: book.scalar('UUID'),
    description:
      'Names this change: repeated under the same id it is done once, and answered again.',
  };
}

function payloadType(table: TableModel, book: TypeBook): GraphQLObjectType {
  const name = `${table.typeName}Payload`;
  return book.once(name, () => {
    const row = tableType(table, book);
    return new GraphQLObjectType({
      name,
      extensions: { everywriteTable: table },
      fields: () => ({
        record: part('record', row, 'The row; of several, the first. Null when no row was meant.'),
        records: part('records', listOf(row), 'All rows, at most as many as a list may have.'),
        ...outcome(),
      }),
    });
  });
}

function part(name: PayloadPart, type: GraphQLOutputType, description: string): Field {
  return { type, description, ...meaning({ kind: 'payloadPart', part: name }) };
}

function outcome(): Fields {
  return {
    affectedCount: part('affectedCount', new GraphQLNonNull(GraphQLInt), 'How many rows changed.'),
    causalToken: part(
      'causalToken',
      GraphQLString,
      'What a request in any region shows to see this change; the same for the whole operation.',
    ),
  };
}

function functionMutation(of: FunctionModel, book: TypeBook): Field {
  const name = `${upperFirst(of.field)}Payload`;
  const type = book.once(name, () => {
    return new GraphQLObjectType({
      name,
      fields: () => ({
        ...(of.returns.kind === 'void'
          ? {}
          : { result: part('result', functionResult(of, book), 'What the function returned.') }),
        causalToken: part(
          'causalToken',
          GraphQLString,
          'What a request in any region shows to see this change.',
        ),
      }),
    });
  });
  return field(
    type,
    { kind: 'function', function: of },
    {
      description: of.description,
      deprecationReason: of.deprecated,
      args: { ...functionArguments(of, book), opId: operationId(book) },
    },
  );
}

function inputType(table: TableModel, book: TypeBook): GraphQLInputObjectType {
  const name = `${table.typeName}Input`;
  return book.once(name, () => {
    const fields: GraphQLInputFieldConfigMap = {};
    for (const column of table.columns.filter(({ can }) => can.create)) {
      fields[column.field] = {
        type: inputOf(column, book),
        description: column.description,
        ...(column.deprecated === null || required(column)
          ? {}
          : { deprecationReason: column.deprecated }),
      };
    }
    return new GraphQLInputObjectType({ name, fields });
  });
}

function required(column: ColumnModel): boolean {
  return column.notNull && !column.hasDefault;
}

function inputOf(column: ColumnModel, book: TypeBook): GraphQLInputType {
  const type = book.input(column.type);
  return required(column) ? new GraphQLNonNull(type) : type;
}

function patchType(table: TableModel, book: TypeBook): GraphQLInputObjectType | null {
  const columns = table.columns.filter(({ can }) => can.update);
  if (columns.length === 0) return null;
  const name = `${table.typeName}Patch`;
  return book.once(name, () => {
    const fields: GraphQLInputFieldConfigMap = {};
    for (const column of columns) {
      const type = mergeInput(column, book) ?? book.input(column.type);
      fields[column.field] = {
        type,
        description: column.description,
        deprecationReason: column.deprecated,
      };
    }
    return new GraphQLInputObjectType({ name, fields });
  });
}

function conflictTargets(table: TableModel, book: TypeBook): GraphQLEnumType {
  const name = `${table.typeName}ConflictTarget`;
  return book.once(name, () => {
    return new GraphQLEnumType({
      name,
      extensions: { structural: true },
      values: Object.fromEntries(
        table.uniques.map((unique) => [unique.target, { value: unique }] as const),
      ),
    });
  });
}
