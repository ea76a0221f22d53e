import { Kind } from 'graphql';
import type {
  DocumentNode,
  FragmentDefinitionNode,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import { GatewayError } from '#gateway/errors.ts';

/** What a document may be, whatever it asks for. */
export interface DocumentLimits {
  readonly maxTokens: number;
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxRootFields: number;
}

interface Measures {
  depth: number;
  fields: number;
  aliases: number;
  directives: number;
  roots: number;
}

/** Fields of one operation, fragments spread out: without it, a few fragments can mean millions. */
const FIELDS_MAX = 2_000;

/** Throws OPERATION_TOO_COMPLEX, saying which limit is passed. */
export function checkDocument(document: DocumentNode, limits: DocumentLimits): void {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments.set(definition.name.value, definition);
    }
  }
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) {
      checkOperation(definition, fragments, limits);
    }
  }
}

function checkOperation(
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  limits: DocumentLimits,
): void {
  const seen: Measures = { depth: 0, fields: 0, aliases: 0, directives: 0, roots: 0 };
  const walk = (set: SelectionSetNode, depth: number, path: readonly string[]): void => {
    for (const node of set.selections) {
      seen.directives += node.directives?.length ?? 0;
      // Spreads count as well: fragments of nothing but fragments double at every level.
      seen.fields += 1;
      enforce(seen, limits);
      if (node.kind === Kind.FIELD) {
        if (depth === 1) seen.roots += 1;
        if (node.alias !== undefined) seen.aliases += 1;
        seen.depth = Math.max(seen.depth, depth);
        if (node.selectionSet !== undefined) walk(node.selectionSet, depth + 1, path);
      } else if (node.kind === Kind.INLINE_FRAGMENT) walk(node.selectionSet, depth, path);
      else {
        const fragment = fragments.get(node.name.value);
        // A cycle is for validation to complain about.
        if (fragment === undefined || path.includes(node.name.value)) continue;
        walk(fragment.selectionSet, depth, [...path, node.name.value]);
      }
    }
  };
  seen.directives += operation.directives?.length ?? 0;
  walk(operation.selectionSet, 1, []);
  enforce(seen, limits);
}

function enforce(seen: Measures, limits: DocumentLimits): void {
  const rules: readonly (readonly [string, number, number])[] = [
    ['fields below each other', seen.depth, limits.maxDepth],
    ['fields', seen.fields, FIELDS_MAX],
    ['aliases', seen.aliases, limits.maxAliases],
    ['directives', seen.directives, limits.maxDirectives],
    ['fields at the root', seen.roots, limits.maxRootFields],
  ];
  const passed = rules.find(([, value, most]) => value > most);
  if (passed === undefined) return;
  const [what, , most] = passed;
  throw tooComplex(`The document has more than ${most} ${what}; ask for less at a time.`);
}

export function tooComplex(message: string): GatewayError {
  return new GatewayError({ code: 'OPERATION_TOO_COMPLEX', message });
}
