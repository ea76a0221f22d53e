import type { Catalogue, CatalogueFunction } from '#gateway/catalogue/catalogue.ts';
import { omits, parseSmartComment, tagOf } from '#gateway/catalogue/smart-comment.ts';
import type { ModelOptions } from '#gateway/model/build-model.ts';
import type { FunctionModel, TableModel } from '#gateway/model/schema-model.ts';
import { deprecation } from '#gateway/model/table-model.ts';
import type { ValueTypes } from '#gateway/model/value-types.ts';
import { camel, qualified } from '#gateway/naming/names.ts';
import { qualifiedName, quoteName } from '#gateway/pg/sql-text.ts';

const VOID = '2278';

interface FunctionContext {
  readonly types: ValueTypes;
  readonly byRowType: ReadonlyMap<string, TableModel>;
  readonly options: ModelOptions;
  readonly taken: Set<string>;
}

/** Functions whose arguments and results can be said in GraphQL: stable ones ask, volatile ones change. */
export function functionModels(
  catalogue: Catalogue,
  context: FunctionContext,
): readonly FunctionModel[] {
  return catalogue.functions
    .filter(({ schema }) => context.options.schemas.includes(schema))
    .flatMap((source) => {
      const model = functionModel(source, context);
      // An overloaded function has one name and several meanings; `@name` tells them apart.
      if (model === null || context.taken.has(model.field)) return [];
      context.taken.add(model.field);
      return [model];
    });
}

function functionModel(source: CatalogueFunction, context: FunctionContext): FunctionModel | null {
  const comment = parseSmartComment(source.comment);
  if (omits(comment, 'execute') || omits(comment, 'read')) return null;
  const returns = resultOf(source, context);
  const args = source.arguments.flatMap(({ name, type, optional }) => {
    const value = context.byRowType.has(type) ? null : context.types.of(type);
    if (name === '' || value === null) return [];
    return [{ field: camel(name), sqlName: quoteName(name), type: value, optional }];
  });
  if (returns === null || args.length < source.arguments.length) return null;
  const kind = source.volatility === 'volatile' ? 'mutation' : 'query';
  if (kind === 'query' && returns.kind === 'void') return null;
  return {
    field: tagOf(comment, 'name') ?? camel(qualified(source.schema, source.name)),
    kind,
    sqlName: qualifiedName(source.schema, source.name),
    arguments: args,
    returns,
    returnsSet: source.returnsSet,
    description: comment.description,
    deprecated: deprecation(comment),
  };
}

function resultOf(
  source: CatalogueFunction,
  { types, byRowType }: FunctionContext,
): FunctionModel['returns'] | null {
  if (source.returns === VOID) return { kind: 'void' };
  const table = byRowType.get(source.returns);
  if (table !== undefined) return { kind: 'table', table };
  const type = types.of(source.returns);
  return type === null ? null : { kind: 'value', type };
}
