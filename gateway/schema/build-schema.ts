import { GraphQLObjectType, GraphQLSchema } from 'graphql';
import type { GraphQLFieldConfigMap } from 'graphql';
import type { SchemaModel } from '#gateway/model/schema-model.ts';
import { mutationFields } from '#gateway/schema/mutation-fields.ts';
import { queryFields } from '#gateway/schema/query-fields.ts';
import { tableType } from '#gateway/schema/table-types.ts';
import { TypeBook } from '#gateway/schema/type-book.ts';

/** Fields of Subscription, made by whoever can serve them. */
export type SubscriptionFields = (
  model: SchemaModel,
  book: TypeBook,
) => GraphQLFieldConfigMap<unknown, unknown>;

export function buildSchema(model: SchemaModel, subscriptions?: SubscriptionFields): GraphQLSchema {
  const book = new TypeBook();
  const mutations = mutationFields(model, book);
  const live = subscriptions?.(model, book) ?? {};
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: () => queryFields(model, book) }),
    ...(Object.keys(mutations).length === 0
      ? {}
      : { mutation: new GraphQLObjectType({ name: 'Mutation', fields: mutations }) }),
    ...(Object.keys(live).length === 0
      ? {}
      : { subscription: new GraphQLObjectType({ name: 'Subscription', fields: live }) }),
    types: [...model.tables.values()].map((table) => tableType(table, book)),
  });
}
