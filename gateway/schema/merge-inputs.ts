import {
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLString,
} from 'graphql';
import type { GraphQLInputFieldConfigMap } from 'graphql';
import type { ColumnModel } from '#gateway/model/schema-model.ts';
import type { TypeBook } from '#gateway/schema/type-book.ts';

/**
 * How an update says what it means to a column that merges. A counter that is assigned would take
 * concurrent increments with it, so it can only be incremented; null: the column takes plain values.
 */
export function mergeInput(column: ColumnModel, book: TypeBook): GraphQLInputObjectType | null {
  const { type, merge } = column;
  if (!mergesByInput(column)) return null;
  switch (merge) {
    case 'counter': {
      const number = book.input(type);
      return oneOf(`${type.name}Counter`, book, () => ({
        increment: { type: number },
        decrement: { type: number },
      }));
    }
    case 'set': {
      if (type.kind !== 'list') return null;
      const each = new GraphQLList(new GraphQLNonNull(book.input(type.element)));
      return plain(`${type.name}SetChange`, book, () => ({
        add: { type: each },
        remove: { type: each },
      }));
    }
    case 'map':
      return plain('MapChange', book, () => ({
        set: { type: book.scalar('JSON'), description: 'An object: each of its keys is set.' },
        unset: { type: new GraphQLList(new GraphQLNonNull(GraphQLString)) },
      }));
    case 'text':
      return oneOf('TextChange', book, () => ({
        replace: { type: GraphQLString },
        splice: { type: new GraphQLList(new GraphQLNonNull(textSplice(book))) },
      }));
    case 'lww':
    case 'other':
      return null;
    default:
      return merge satisfies never;
  }
}

function textSplice(book: TypeBook): GraphQLInputObjectType {
  return plain('TextSplice', book, () => ({
    at: { type: new GraphQLNonNull(GraphQLInt), description: 'Characters in front of it.' },
    delete: { type: GraphQLInt },
    insert: { type: GraphQLString },
  }));
}

function oneOf(
  name: string,
  book: TypeBook,
  fields: () => GraphQLInputFieldConfigMap,
): GraphQLInputObjectType {
  return book.once(name, () => new GraphQLInputObjectType({ name, isOneOf: true, fields }));
}

function plain(
  name: string,
  book: TypeBook,
  fields: () => GraphQLInputFieldConfigMap,
): GraphQLInputObjectType {
  return book.once(name, () => new GraphQLInputObjectType({ name, fields }));
}

/** Whether an update says what it means to this column by one of the inputs above. */
export function mergesByInput({ type, merge }: ColumnModel): boolean {
  switch (merge) {
    case 'counter':
      return true;
    case 'set':
      return type.kind === 'list';
    case 'map':
      return type.name === 'JSON';
    case 'text':
      return type.name === 'String';
    case 'lww':
    case 'other':
      return false;
    default:
      return merge satisfies never;
  }
}
