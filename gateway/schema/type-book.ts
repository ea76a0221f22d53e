import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql';
import type {
  GraphQLFieldConfig,
  GraphQLInputFieldConfig,
  GraphQLInputType,
  GraphQLNamedType,
  GraphQLOutputType,
  GraphQLScalarType,
} from 'graphql';
import { meaning } from '#gateway/schema/field-meaning.ts';
import { scalar } from '#gateway/schema/scalars.ts';
import type { CompositeType, EnumType, ValueType } from '#gateway/model/value-type.ts';

const BUILT_IN: Readonly<Record<string, GraphQLScalarType>> = {
  Int: GraphQLInt,
  Float: GraphQLFloat,
  Boolean: GraphQLBoolean,
  String: GraphQLString,
};

type NullableInput =
  | GraphQLScalarType
  | GraphQLEnumType
  | GraphQLInputObjectType
  | GraphQLList<GraphQLInputType>;

/** Every named type, made when it is first asked for and then the same. */
export class TypeBook {
  readonly #named = new Map<string, GraphQLNamedType>();

  /** The type of this name, made by `make` if it is the first to ask. */
  once<Type extends GraphQLNamedType>(name: string, make: () => Type): Type {
    const known = this.#named.get(name);
    if (known !== undefined) return known as Type;
    const made = make();
    this.#named.set(name, made);
    return made;
  }

  scalar(name: string): GraphQLScalarType {
    return BUILT_IN[name] ?? this.once(name, () => scalar(name));
  }

  output(type: ValueType): GraphQLOutputType {
    switch (type.kind) {
      case 'scalar':
        return this.scalar(type.name);
      case 'enum':
        return this.#enum(type);
      case 'list':
        return new GraphQLList(this.output(type.element));
      case 'composite':
        return this.#composite(type);
      default:
        return type satisfies never;
    }
  }

  input(type: ValueType): NullableInput {
    switch (type.kind) {
      case 'scalar':
        return this.scalar(type.name);
      case 'enum':
        return this.#enum(type);
      case 'list':
        return new GraphQLList(this.input(type.element));
      case 'composite':
        return this.#compositeInput(type);
      default:
        return type satisfies never;
    }
  }

  /** The operators of a type's filter; what is absent does not restrict. */
  filter(type: ValueType): GraphQLInputObjectType {
    const name = `${type.name}${type.kind === 'list' ? 'List' : ''}Filter`;
    return this.once(name, () => {
      return new GraphQLInputObjectType({ name, fields: () => this.#operators(type) });
    });
  }

  #operators(type: ValueType): Record<string, GraphQLInputFieldConfig> {
    const own = this.input(type);
    const text = { type: GraphQLString };
    const each = new GraphQLList(new GraphQLNonNull(own));
    return {
      eq: { type: own, description: 'Equal; null means: is null.' },
      ne: { type: own, description: 'Not equal, null being a value like any other.' },
      ...(type.kind === 'list' || type.filter === 'jsonb'
        ? {}
        : { in: { type: each }, notIn: { type: each } }),
      isNull: { type: GraphQLBoolean },
      ...(type.ordered && type.kind !== 'list' && type.filter !== 'jsonb'
        ? { lt: { type: own }, lte: { type: own }, gt: { type: own }, gte: { type: own } }
        : {}),
      ...(type.filter === 'text'
        ? { like: text, ilike: text, startsWith: text, endsWith: text, includes: text }
        : {}),
      ...(type.filter === 'jsonb'
        ? { contains: { type: own }, containedBy: { type: own }, hasKey: text }
        : {}),
      ...(type.filter === 'array' || type.filter === 'range'
        ? { contains: { type: own }, containedBy: { type: own }, overlaps: { type: own } }
        : {}),
    };
  }

  #enum(type: EnumType): GraphQLEnumType {
    return this.once(type.name, () => {
      return new GraphQLEnumType({
        name: type.name,
        description: type.description,
        values: Object.fromEntries(type.values.map(({ name, label }) => [name, { value: label }])),
      });
    });
  }

  #composite(type: CompositeType): GraphQLObjectType {
    return this.once(type.name, () => {
      const fields = type.attributes.map(
        (attribute): [string, GraphQLFieldConfig<unknown, unknown>] => [
          attribute.name,
          {
            type: this.output(attribute.type),
            ...meaning({ kind: 'attribute', column: attribute.column, type: attribute.type }),
          },
        ],
      );
      return new GraphQLObjectType({
        name: type.name,
        description: type.description,
        fields: Object.fromEntries(fields),
      });
    });
  }

  #compositeInput(type: CompositeType): GraphQLInputObjectType {
    const name = `${type.name}Input`;
    return this.once(name, () => {
      return new GraphQLInputObjectType({
        name,
        fields: Object.fromEntries(
          type.attributes.map((attribute) => [
            attribute.name,
            { type: this.input(attribute.type) },
          ]),
        ),
      });
    });
  }
}
