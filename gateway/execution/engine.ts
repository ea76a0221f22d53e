import { getVariableValues } from 'graphql';
import type { GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { mutationPlan } from '#gateway/compile/mutation-plan.ts';
import type { Piece, Plan, RootPart } from '#gateway/compile/plan.ts';
import { queryPlan } from '#gateway/compile/query-plan.ts';
import type { RowLimits } from '#gateway/compile/statement.ts';
import { shapeOf } from '#gateway/compile/variables.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import { Documents, locationsOf, operationOf } from '#gateway/execution/documents.ts';
import type { DocumentOptions, ReadyDocument } from '#gateway/execution/documents.ts';
import { flightOf, rowsOf, statementsBefore } from '#gateway/execution/operation-flight.ts';
import type {
  ExecuteOptions,
  Executed,
  FlightAnswers,
  GraphQLRequest,
  Principal,
} from '#gateway/execution/request.ts';
import { GatewayError, GatewayErrors, errorsOf } from '#gateway/errors.ts';
import { tooComplex } from '#gateway/limits/document-limits.ts';
import type { SchemaModel } from '#gateway/model/schema-model.ts';
import { databaseFailure, serverError } from '#gateway/pg/database-failure.ts';
import { FlightError } from '#gateway/pg/flight.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import type { Rows } from '#gateway/pg/sql-text.ts';

export interface EngineOptions {
  readonly documents: DocumentOptions;
  readonly rows: RowLimits;
  /** Rows that one operation may read, at most. */
  readonly maxCost: number;
  /** Told when the server says that a statement no longer fits its tables. */
  readonly onStale: () => void;
}

/** A request that was understood: nothing is left to go wrong but the database. */
interface Prepared {
  readonly operation: OperationDefinitionNode;
  readonly plan: Plan;
  readonly variables: VariableValues;
}

/** Executes documents over one schema; a changed schema is another engine. */
export class Engine {
  readonly schema: GraphQLSchema;
  readonly model: SchemaModel;
  readonly documents: Documents;
  readonly #options: EngineOptions;
  readonly #pool: Pool;

  constructor(schema: GraphQLSchema, model: SchemaModel, pool: Pool, options: EngineOptions) {
    this.schema = schema;
    this.model = model;
    this.documents = new Documents(schema, options.documents);
    this.#options = options;
    this.#pool = pool;
  }

  /** Never rejects for what a client can send. */
  async execute(
    request: GraphQLRequest,
    principal: Principal,
    options: ExecuteOptions,
  ): Promise<Executed> {
    let prepared: Prepared;
    try {
      prepared = this.#prepare(request, options);
    } catch (error) {
      return refusal(error);
    }
    const { plan, variables, operation } = prepared;
    const about = { operation: plan.kind, operationName: operation.name?.value ?? null };
    try {
      const { parts, rows, answers } = await this.#run(plan, variables, principal, options);
      const pieces = dataOf(parts, rows, variables);
      return {
        ...about,
        status: 200,
        members: (token) => `"data":${render(pieces, token)}`,
        answers,
        codes: [],
        unexpected: [],
      };
    } catch (error) {
      return { ...about, ...failure(plan, error) };
    }
  }

  #prepare(request: GraphQLRequest, options: ExecuteOptions): Prepared {
    const ready = this.documents.get(request.query ?? '');
    const operation = operationOf(ready, request.operationName);
    if (operation.operation === 'subscription') {
      throw new GatewayError({
        code: 'OPERATION_NOT_ALLOWED',
        message: 'Subscriptions go over a WebSocket (graphql-transport-ws) or Server-Sent Events.',
      });
    }
    if (operation.operation === 'mutation' && options.operations === 'queries') {
      throw new GatewayError({
        code: 'METHOD_NOT_ALLOWED',
        message: 'A mutation must be sent with POST.',
        status: 405,
      });
    }
    const variables = this.#variables(operation, request.variables ?? {});
    const plan = this.#plan(ready, operation, variables);
    for (const check of plan.checks) check(variables);
    const cost = plan.cost(variables);
    if (cost > this.#options.maxCost) {
      throw tooComplex(
        `This may read ${cost} rows; at most ${this.#options.maxCost} are allowed. Ask for fewer with "first".`,
      );
    }
    return { operation, plan, variables };
  }

  #variables(
    operation: OperationDefinitionNode,
    given: Readonly<Record<string, unknown>>,
  ): VariableValues {
    const { introspection } = this.#options.documents;
    const result = getVariableValues(this.schema, operation.variableDefinitions ?? [], given, {
      maxErrors: 10,
      hideSuggestions: !introspection,
    });
    if (result.variableValues !== undefined) return result.variableValues;
    throw new GatewayErrors(
      result.errors.map((error) => {
        const { message } = error;
        return new GatewayError({ code: 'BAD_USER_INPUT', message, ...locationsOf(error) });
      }),
    );
  }

  #plan(ready: ReadyDocument, operation: OperationDefinitionNode, variables: VariableValues): Plan {
    const definitions = operation.variableDefinitions ?? [];
    const name = operation.name?.value ?? '';
    const shape = definitions.length === 0 ? '' : shapeOf(this.schema, definitions, variables);
    const key = `${name} ${shape}`;
    const known = ready.plans.get(key);
    if (known !== undefined) return known;
    const source = { schema: this.schema, fragments: ready.fragments, variables };
    const whole = { document: ready.document, node: operation, source };
    const plan =
      operation.operation === 'mutation'
        ? mutationPlan(whole, this.#options.rows, this.model.operations)
        : queryPlan(whole, this.#options.rows);
    ready.plans.set(key, plan);
    return plan;
  }

  async #run(
    plan: Plan,
    variables: VariableValues,
    principal: Principal,
    options: ExecuteOptions,
  ): Promise<{ parts: readonly RootPart[]; rows: readonly Rows[]; answers: FlightAnswers | null }> {
    if (plan.statements.length === 0 && options.flight === undefined) {
      return { parts: plan.parts, rows: [], answers: null };
    }
    const flight = flightOf(plan.kind, plan.statements, variables, principal, options.flight);
    try {
      const result = await this.#pool.fly(flight, options.signal);
      return { parts: plan.parts, ...rowsOf(result, plan.statements.length, options.flight) };
    } catch (error) {
      if (this.#isStale(error)) this.#options.onStale();
      const { replay } = plan;
      if (replay === null || !this.#wasDoneBefore(error)) {
        throw error instanceof FlightError ? located(error, plan, options) : error;
      }
      const again = flightOf('mutation', replay.statements, variables, principal, options.flight);
      const result = await this.#pool.fly(again, options.signal).catch((cause: unknown) => {
        throw cause instanceof FlightError
          ? located(cause, { ...plan, ...replay }, options)
          : cause;
      });
      const answered = rowsOf(result, replay.statements.length, options.flight);
      return { parts: replay.parts, ...answered };
    }
  }

  /** The plan speaks of what DDL has changed, or the server's own plan does. */
  #isStale(error: unknown): boolean {
    const state = serverError(error)?.code ?? '';
    return state === '0A000' || ['42P01', '42703', '42704', '42883'].includes(state);
  }

  #wasDoneBefore(error: unknown): boolean {
    const server = serverError(error);
    return server?.code === '23505' && server.constraint === 'everywrite_operations_pkey';
  }
}

/** Where in the answer a statement's failure belongs. */
function located(error: FlightError, plan: Plan, { flight }: ExecuteOptions): GatewayError {
  const key = plan.statements[error.at - statementsBefore(flight)]?.key ?? null;
  const failed = databaseFailure(error);
  return key === null ? failed : failed.at([key]);
}

function dataOf(
  parts: readonly RootPart[],
  rows: readonly Rows[],
  variables: VariableValues,
): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const [at, part] of parts.entries()) {
    pieces.push(`${at === 0 ? '{' : ','}${JSON.stringify(part.key)}:`);
    pieces.push(...part.write(rows, variables));
  }
  return [...pieces, '}'];
}

function render(pieces: readonly Piece[], token: string | null): string {
  let json = '';
  for (const piece of pieces) json += typeof piece === 'string' ? piece : JSON.stringify(token);
  return json;
}

/** Nothing was executed: the answer has no `data`. */
export function refusal(error: unknown): Executed {
  const errors = errorsOf(error);
  const json = `"errors":[${errors.map((one) => one.json()).join(',')}]`;
  return {
    operation: null,
    operationName: null,
    status: errors[0]?.status ?? 400,
    members: () => json,
    answers: null,
    codes: errors.map(({ code }) => code),
    unexpected: error instanceof GatewayError || error instanceof GatewayErrors ? [] : [error],
  };
}

/** Execution began and failed: all of it was rolled back, so every nullable field is null. */
function failure(plan: Plan, error: unknown): Omit<Executed, 'operation' | 'operationName'> {
  const failed = databaseFailure(error);
  const data =
    plan.kind === 'mutation'
      ? `{${plan.parts.map(({ key }) => `${JSON.stringify(key)}:null`).join(',')}}`
      : 'null';
  const unexpected = failed.code === 'INTERNAL_SERVER_ERROR' ? [error] : [];
  return {
    status: failed.status,
    members: () => `"data":${data},"errors":[${failed.json()}]`,
    answers: null,
    codes: [failed.code],
    unexpected,
  };
}
