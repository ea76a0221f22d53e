import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql';
import type { GraphQLFieldConfig, GraphQLFieldConfigMap } from 'graphql';
import type { SchemaModel, TableModel } from '#gateway/model/schema-model.ts';
import { filterType, tableType } from '#gateway/schema/table-types.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';
import type { ChangeOp } from '#gateway/subscriptions/change.ts';

const OPS: Readonly<Record<ChangeOp, string>> = {
  INITIAL: 'The row was there when the subscription began.',
  INSERT: 'The row is new.',
  UPDATE: 'The row changed.',
  DELETE: 'The row is gone.',
  ENTER: 'The row was there; it matches the filter, or may be seen, only now.',
  LEAVE: 'The row no longer matches the filter, or may no longer be seen.',
  TRUNCATE: 'The table was emptied.',
};

/** `noteChanges` for every table with a primary key. */
export function subscriptionFields(
  model: SchemaModel,
  book: TypeBook,
): GraphQLFieldConfigMap<unknown, unknown> {
  const fields: GraphQLFieldConfigMap<unknown, unknown> = {};
  for (const table of model.tables.values()) {
    if (table.key.length === 0) continue;
    fields[`${table.singularField}Changes`] = changesField(table, book);
  }
  return fields;
}

function changesField(table: TableModel, book: TypeBook): GraphQLFieldConfig<unknown, unknown> {
  return {
    type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(changeType(table, book)))),
    description:
      'What each transaction, of whatever region, did to this table, once it is visible here. The first list is empty and brings the cursor.',
    extensions: { everywriteChanges: table },
    args: {
      ...(table.can.filter ? { where: { type: filterType(table, book) } } : {}),
      ops: { type: new GraphQLList(new GraphQLNonNull(opType(book))), description: 'Only these.' },
      after: {
        type: GraphQLString,
        description: 'A cursor: everything that follows it, then what is new.',
      },
      initial: { type: GraphQLBoolean, description: 'All rows first, then what changes.' },
    },
  };
}

function changeType(table: TableModel, book: TypeBook): GraphQLObjectType {
  const name = `${table.typeName}Change`;
  return book.once(name, () => {
    const strings = new GraphQLList(new GraphQLNonNull(GraphQLString));
    return new GraphQLObjectType({
      name,
      fields: () => ({
        op: { type: new GraphQLNonNull(opType(book)) },
        node: {
          type: tableType(table, book),
          description: 'The row as this region shows it now; null when it is gone.',
        },
        key: { type: book.scalar('JSON'), description: 'Null when the table was emptied.' },
        changedFields: { type: strings, description: 'Of an UPDATE.' },
        origin: { type: GraphQLString, description: 'The region that wrote.' },
        at: { type: book.scalar('DateTime'), description: 'When it was committed there.' },
        transaction: { type: GraphQLString, description: 'The same in every region.' },
        cursor: { type: GraphQLString, description: 'Resume after this, in any region.' },
      }),
    });
  });
}

function opType(book: TypeBook): GraphQLEnumType {
  return book.once('ChangeOp', () => {
    const values = Object.entries(OPS).map(
      ([name, description]) => [name, { description }] as const,
    );
    return new GraphQLEnumType({ name: 'ChangeOp', values: Object.fromEntries(values) });
  });
}
