import { GraphQLError, Kind, parse, validate } from 'graphql';
import { NoSchemaIntrospectionCustomRule, specifiedRules } from 'graphql';
import type {
  DocumentNode,
  FragmentDefinitionNode,
  GraphQLSchema,
  OperationDefinitionNode,
} from 'graphql';
import type { Plan } from '#gateway/compile/plan.ts';
import { Lru } from '#gateway/execution/lru.ts';
import { GatewayError, GatewayErrors } from '#gateway/errors.ts';
import { checkDocument } from '#gateway/limits/document-limits.ts';
import type { DocumentLimits } from '#gateway/limits/document-limits.ts';

export interface DocumentOptions {
  readonly limits: DocumentLimits;
  readonly introspection: boolean;
  /** Documents kept ready; each with at most so many plans, one per shape of its variables. */
  readonly maxDocuments: number;
}

const PLANS_PER_DOCUMENT = 100;
const ERRORS_MAX = 10;

/** A document that was parsed and found valid, with what was compiled of it. */
export interface ReadyDocument {
  readonly document: DocumentNode;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly operations: readonly OperationDefinitionNode[];
  readonly plans: Lru<Plan>;
}

/** Documents by their text. Those that are wrong are not kept. */
export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #options: DocumentOptions;
  readonly #ready: Lru<ReadyDocument>;

  constructor(schema: GraphQLSchema, options: DocumentOptions) {
    this.#schema = schema;
    this.#options = options;
    this.#ready = new Lru(options.maxDocuments);
  }

  /** Throws what is wrong with it. */
  get(text: string): ReadyDocument {
    const known = this.#ready.get(text);
    if (known !== undefined) return known;
    const document = this.#parse(text);
    checkDocument(document, this.#options.limits);
    const { introspection } = this.#options;
    const rules = introspection
      ? specifiedRules
      : [...specifiedRules, NoSchemaIntrospectionCustomRule];
    const errors = validate(this.#schema, document, rules, {
      maxErrors: ERRORS_MAX,
      // A suggestion would tell names that introspection does not.
      hideSuggestions: !introspection,
    });
    if (errors.length > 0) throw new GatewayErrors(errors.map(validationError));
    const ready: ReadyDocument = {
      document,
      fragments: new Map(
        document.definitions.flatMap((definition) => {
          if (definition.kind !== Kind.FRAGMENT_DEFINITION) return [];
          return [[definition.name.value, definition] as const];
        }),
      ),
      operations: document.definitions.filter((definition) => {
        return definition.kind === Kind.OPERATION_DEFINITION;
      }),
      plans: new Lru(PLANS_PER_DOCUMENT),
    };
    this.#ready.set(text, ready);
    return ready;
  }

  #parse(text: string): DocumentNode {
    try {
      return parse(text, { maxTokens: this.#options.limits.maxTokens });
    } catch (cause) {
      if (!(cause instanceof GraphQLError)) throw cause;
      throw new GatewayError({
        code: 'GRAPHQL_PARSE_FAILED',
        message: cause.message,
        ...locationsOf(cause),
        cause,
      });
    }
  }
}

function validationError(error: GraphQLError): GatewayError {
  return new GatewayError({
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: error.message,
    ...locationsOf(error),
  });
}

export function locationsOf(error: GraphQLError): {
  locations?: readonly { readonly line: number; readonly column: number }[];
} {
  return error.locations === undefined ? {} : { locations: error.locations };
}

/** The operation that is meant. */
export function operationOf(
  { operations }: ReadyDocument,
  name: string | undefined,
): OperationDefinitionNode {
  if (name !== undefined && name !== '') {
    const named = operations.find((operation) => operation.name?.value === name);
    if (named !== undefined) return named;
    throw refused(`There is no operation "${name}" in the document.`);
  }
  const [only, ...more] = operations;
  if (only === undefined) throw refused('There is no operation in the document.');
  if (more.length > 0) throw refused('Say with operationName which of the operations is meant.');
  return only;
}

function refused(message: string): GatewayError {
  return new GatewayError({ code: 'GRAPHQL_VALIDATION_FAILED', message });
}
