import {
  GraphQLInputObjectType,
  GraphQLList,
  Kind,
  coerceInputLiteral,
  getNullableType,
  visit,
} from 'graphql';
import type { FieldNode, GraphQLField, GraphQLInputType, ValueNode } from 'graphql';
import type { VariableValues } from '#gateway/compile/variables.ts';

/** Reads one value at execution, from the variables of that request. */
export type Read = (variables: VariableValues) => unknown;

/**
 * A value that a document gives: what it is now, for what decides the statement's shape, and how to read
 * it again when the compiled statement is executed with other variables of the same shape.
 */
export interface Input {
  readonly value: unknown;
  readonly read: Read;
  /** Of an input object: its fields that are given, in the order of the type. */
  entries(): readonly (readonly [name: string, input: Input])[];
  field(name: string): Input | undefined;
  /** Of a list. */
  items(): readonly Input[];
}

/** The arguments of a field that are given, by name. */
export function argumentsOf(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: VariableValues,
): ReadonlyMap<string, Input> {
  const found = new Map<string, Input>();
  for (const { name, value } of node.arguments ?? []) {
    const type = field.args.find((arg) => arg.name === name.value)?.type;
    if (type === undefined) continue;
    const input = literalInput(value, type, variables);
    if (input !== undefined) found.set(name.value, input);
  }
  return found;
}

function literalInput(
  node: ValueNode,
  type: GraphQLInputType,
  variables: VariableValues,
): Input | undefined {
  if (node.kind === Kind.VARIABLE) {
    const name = node.name.value;
    if (!(name in variables.coerced)) return undefined;
    return valueInput(variables.coerced[name], (now) => now.coerced[name], type);
  }
  const value = coerceInputLiteral(node, type, variables);
  if (!holdsVariable(node)) return valueInput(value, () => value, type);
  const nullable = getNullableType(type);
  const read: Read = (now) => coerceInputLiteral(node, type, now);
  if (nullable instanceof GraphQLInputObjectType && node.kind === Kind.OBJECT) {
    const fields = new Map<string, Input>();
    for (const { name, value: inner } of node.fields) {
      const of = nullable.getFields()[name.value];
      const input = of === undefined ? undefined : literalInput(inner, of.type, variables);
      if (input !== undefined) fields.set(name.value, input);
    }
    const entries = (): readonly (readonly [string, Input])[] => [...fields];
    return { value, read, entries, field: (name) => fields.get(name), items: () => [] };
  }
  if (nullable instanceof GraphQLList && node.kind === Kind.LIST) {
    const items = node.values.flatMap((inner) => {
      const input = literalInput(inner, nullable.ofType, variables);
      return input === undefined ? [] : [input];
    });
    return { value, read, entries: () => [], field: () => undefined, items: () => items };
  }
  return valueInput(value, read, type);
}

/** A coerced value; its parts are read through it. */
function valueInput(value: unknown, read: Read, type: GraphQLInputType): Input {
  const nullable = getNullableType(type);
  const partOf = (part: string | number, of: GraphQLInputType): Input => {
    return valueInput(partAt(value, part), (now) => partAt(read(now), part), of);
  };
  const entries = (): readonly (readonly [string, Input])[] => {
    if (!(nullable instanceof GraphQLInputObjectType) || !isObject(value)) return [];
    return Object.entries(nullable.getFields())
      .filter(([name]) => value[name] !== undefined)
      .map(([name, of]) => [name, partOf(name, of.type)]);
  };
  return {
    value,
    read,
    entries,
    field: (name) => entries().find(([own]) => own === name)?.[1],
    items: () => {
      if (!(nullable instanceof GraphQLList) || !Array.isArray(value)) return [];
      const of = nullable.ofType;
      return value.map((_, at) => partOf(at, of));
    },
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function partAt(value: unknown, part: string | number): unknown {
  return isObject(value) ? value[part] : undefined;
}

function holdsVariable(node: ValueNode): boolean {
  let found = false;
  visit(node, {
    Variable: () => {
      found = true;
    },
  });
  return found;
}
