import {
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  Kind,
  getDirectiveValues,
  isAbstractType,
  typeFromAST,
} from 'graphql';
import type {
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLObjectType,
  GraphQLSchema,
  SelectionNode,
  SelectionSetNode,
} from 'graphql';
import { argumentsOf } from '#gateway/compile/input.ts';
import type { Input } from '#gateway/compile/input.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import { meaningOf } from '#gateway/schema/field-meaning.ts';
import type { FieldMeaning } from '#gateway/schema/field-meaning.ts';

/** The document that is being compiled. */
export interface Source {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly variables: VariableValues;
}

/** One field of the answer: everything that the document says under one response key. */
export interface Selected {
  readonly key: string;
  readonly nodes: readonly FieldNode[];
  readonly parent: GraphQLObjectType;
  /** `__typename` has neither. */
  readonly field: GraphQLField<unknown, unknown> | null;
  readonly means: FieldMeaning | null;
  readonly arguments: ReadonlyMap<string, Input>;
}

/** The fields of an object, in the order of the answer, as the specification collects them. */
export function select(
  source: Source,
  type: GraphQLObjectType,
  sets: readonly (SelectionSetNode | undefined)[],
): readonly Selected[] {
  const grouped = new Map<string, FieldNode[]>();
  const visited = new Set<string>();
  const collect = (selections: readonly SelectionNode[]): void => {
    for (const node of selections) {
      if (!included(node, source.variables)) continue;
      if (node.kind === Kind.FIELD) {
        const key = node.alias?.value ?? node.name.value;
        const known = grouped.get(key);
        if (known === undefined) grouped.set(key, [node]);
        else known.push(node);
        continue;
      }
      const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragmentOf(node.name.value);
      if (fragment !== undefined && applies(source.schema, fragment, type)) {
        collect(fragment.selectionSet.selections);
      }
    }
  };
  const fragmentOf = (name: string): FragmentDefinitionNode | undefined => {
    if (visited.has(name)) return undefined;
    visited.add(name);
    return source.fragments.get(name);
  };
  for (const set of sets) if (set !== undefined) collect(set.selections);
  return [...grouped].map(([key, nodes]) => selected(source, type, key, nodes));
}

/** The fields below a selected one, whose type is `type`. */
export function below(
  source: Source,
  type: GraphQLObjectType,
  above: Selected,
): readonly Selected[] {
  return select(
    source,
    type,
    above.nodes.map((node) => node.selectionSet),
  );
}

function selected(
  source: Source,
  parent: GraphQLObjectType,
  key: string,
  nodes: readonly FieldNode[],
): Selected {
  const [node] = nodes;
  const field = node === undefined ? undefined : parent.getFields()[node.name.value];
  if (node === undefined || field === undefined) {
    return { key, nodes, parent, field: null, means: null, arguments: new Map() };
  }
  return {
    key,
    nodes,
    parent,
    field,
    means: meaningOf(field),
    arguments: argumentsOf(field, node, source.variables),
  };
}

function included(node: SelectionNode, variables: VariableValues): boolean {
  if (node.directives === undefined || node.directives.length === 0) return true;
  if (getDirectiveValues(GraphQLSkipDirective, node, variables)?.['if'] === true) return false;
  return getDirectiveValues(GraphQLIncludeDirective, node, variables)?.['if'] !== false;
}

function applies(
  schema: GraphQLSchema,
  fragment: { readonly typeCondition?: FragmentDefinitionNode['typeCondition'] | undefined },
  type: GraphQLObjectType,
): boolean {
  if (fragment.typeCondition === undefined) return true;
  const condition = typeFromAST(schema, fragment.typeCondition);
  if (condition === type) return true;
  return isAbstractType(condition) && schema.isSubType(condition, type);
}
