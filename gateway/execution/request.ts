import type { Rows, Sql } from '#gateway/pg/sql-text.ts';

/** Who asks: row-level security decides what that means. */
export interface Principal {
  /** Null: the role that the gateway logs in with. */
  readonly role: string | null;
  /** JSON for `request.jwt.claims`; empty when there are none. */
  readonly claims: string;
  /** One per distinct (role, claims). */
  readonly key: string;
}

export interface GraphQLRequest {
  readonly query?: string | undefined;
  readonly documentId?: string | undefined;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** Statements of a session, in the same flight as the operation's own. */
export interface FlightHook {
  /** In the transaction, before what was asked. */
  readonly before?: readonly Sql[];
  /** In it, after what was asked. */
  readonly after?: readonly Sql[];
  /** Each by itself, after COMMIT. */
  readonly afterCommit?: readonly Sql[];
}

export interface FlightAnswers {
  readonly before: readonly Rows[];
  readonly after: readonly Rows[];
  readonly afterCommit: readonly Rows[];
}

export interface ExecuteOptions {
  readonly signal?: AbortSignal;
  /** GET may only ask. */
  readonly operations: 'queries' | 'all';
  readonly flight?: FlightHook;
}

/** What became of a request. */
export interface Executed {
  readonly operation: 'query' | 'mutation' | null;
  readonly operationName: string | null;
  /** The HTTP status that a GraphQL response with this outcome has. */
  readonly status: number;
  /** The members `data` and `errors` as JSON, without the braces around: extensions can follow. */
  readonly members: (causalToken: string | null) => string;
  readonly answers: FlightAnswers | null;
  /** Codes of its errors, for metrics. */
  readonly codes: readonly string[];
  /** What nobody expected, for the log. */
  readonly unexpected: readonly unknown[];
}
