import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLList,
  getNullableType,
  typeFromAST,
} from 'graphql';
import type {
  GraphQLInputType,
  GraphQLSchema,
  VariableDefinitionNode,
  getVariableValues,
} from 'graphql';
import { decodeCursor } from '#gateway/compile/cursor.ts';
import { nodeTypeOf } from '#gateway/compile/node-id.ts';
import { leafText } from '#gateway/compile/leaf-text.ts';

export type VariableValues = NonNullable<ReturnType<typeof getVariableValues>['variableValues']>;

/**
 * What of the variables decides the statement: which fields are given, what is null, how many objects a
 * list has, and the values of what is no SQL parameter (directions, conditions, the table of a node id).
 * Requests of one document with equal shapes share a compiled plan.
 */
export function shapeOf(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  variables: VariableValues,
): string {
  let shape = '';
  for (const { variable, type } of definitions) {
    const of = typeFromAST(schema, type) as GraphQLInputType | undefined;
    const name = variable.name.value;
    if (of !== undefined) shape += `${valueShape(variables.coerced[name], of)};`;
  }
  return shape;
}

function valueShape(value: unknown, declared: GraphQLInputType): string {
  if (value === undefined) return '-';
  if (value === null) return '0';
  const type = getNullableType(declared);
  if (type instanceof GraphQLList) {
    const of = type.ofType;
    if (!Array.isArray(value)) return '?';
    return isValue(of) ? '*' : `[${value.map((item) => valueShape(item, of)).join(',')}]`;
  }
  if (type instanceof GraphQLInputObjectType) {
    const fields = Object.entries(type.getFields()).flatMap(([name, of]) => {
      const inner = (value as Readonly<Record<string, unknown>>)[name];
      return inner === undefined ? [] : [`${name}:${valueShape(inner, of.type)}`];
    });
    return `{${fields.join(',')}}`;
  }
  if (type === GraphQLBoolean) return leafText(value);
  if (type === GraphQLID) return nodeTypeOf(leafText(value)) ?? '?';
  if (type instanceof GraphQLEnumType) {
    return type.extensions['structural'] === true ? enumName(type, value) : '*';
  }
  return type.name === 'Cursor' ? cursorShape(leafText(value)) : '*';
}

/** A list of it is one parameter. */
function isValue(declared: GraphQLInputType): boolean {
  const type = getNullableType(declared);
  if (type instanceof GraphQLInputObjectType || type instanceof GraphQLList) return false;
  return !(type instanceof GraphQLEnumType && type.extensions['structural'] === true);
}

function enumName(type: GraphQLEnumType, value: unknown): string {
  return type.getValues().find((one) => one.value === value)?.name ?? '?';
}

function cursorShape(cursor: string): string {
  const decoded = decodeCursor(cursor);
  if (decoded === null) return '?';
  return `${decoded.order}/${decoded.values.map((value) => (value === null ? '0' : '*')).join('')}`;
}
