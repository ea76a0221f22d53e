/** Stable codes in `extensions.code`. Clients act on them, so they are never renamed. */
export type GatewayCode =
  | 'GRAPHQL_PARSE_FAILED'
  | 'GRAPHQL_VALIDATION_FAILED'
  | 'BAD_REQUEST'
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'METHOD_NOT_ALLOWED'
  | 'PERSISTED_QUERY_NOT_FOUND'
  | 'OPERATION_NOT_ALLOWED'
  | 'OPERATION_TOO_COMPLEX'
  | 'OPERATION_ROLLED_BACK'
  | 'OPERATION_IDS_NOT_PREPARED'
  | 'OPERATION_ID_REUSED'
  | 'TOO_MANY_ROWS'
  | 'RATE_LIMITED'
  | 'OVERLOADED'
  | 'TIMEOUT'
  | 'CANCELLED'
  | 'CONFLICTING_WRITE'
  | 'UNIQUE_VIOLATION'
  | 'CHECK_VIOLATION'
  | 'FOREIGN_KEY_VIOLATION'
  | 'NOT_NULL_VIOLATION'
  | 'EXCLUSION_VIOLATION'
  | 'RAISED'
  | 'DATABASE_UNAVAILABLE'
  | 'INTERNAL_SERVER_ERROR';

/** Codes that a session, a subscription or an authenticator adds. */
export type SessionCode =
  | 'CAUSAL_TIMEOUT'
  | 'CAUSAL_TOKEN_INVALID'
  | 'TOO_STALE'
  | 'CURSOR_EXPIRED'
  | 'SLOW_CONSUMER'
  | 'REGION_DRAINING'
  | 'TOO_MANY_SUBSCRIPTIONS';

export interface GatewayErrorDetails {
  readonly code: GatewayCode | SessionCode;
  /** For the client's developer; never SQL, never a value that the client may not see. */
  readonly message: string;
  /** The HTTP status when nothing of the operation was executed. */
  readonly status?: number;
  /** The same request may succeed later. */
  readonly retryable?: boolean;
  readonly locations?: readonly { readonly line: number; readonly column: number }[];
  readonly path?: readonly (string | number)[];
  /** More of `extensions`: `constraint`, `fields`, … */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Every expected failure of a request. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: GatewayCode | SessionCode;
  readonly status: number;
  readonly details: GatewayErrorDetails;

  constructor(details: GatewayErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.status = details.status ?? 400;
    this.details = details;
  }

  /** The error as an entry of `errors`. */
  json(): string {
    const { message, locations, path, code, retryable, more } = this.details;
    return JSON.stringify({
      message,
      ...(locations === undefined ? {} : { locations }),
      ...(path === undefined ? {} : { path }),
      extensions: { code, ...(retryable === true ? { retryable } : {}), ...more },
    });
  }

  at(path: readonly (string | number)[]): GatewayError {
    return new GatewayError({ ...this.details, path });
  }
}

/** Several errors of one request, such as those of validation. */
export class GatewayErrors extends Error {
  override readonly name = 'GatewayErrors';
  readonly errors: readonly GatewayError[];
  readonly status: number;

  constructor(errors: readonly GatewayError[]) {
    super(errors.map((error) => error.message).join('; '));
    this.errors = errors;
    this.status = errors[0]?.status ?? 400;
  }
}

/** `[…]`, the value of `errors`. What nobody expected says nothing about itself. */
export function errorsJson(cause: unknown): string {
  return `[${errorsOf(cause)
    .map((error) => error.json())
    .join(',')}]`;
}

export function errorsOf(cause: unknown): readonly GatewayError[] {
  if (cause instanceof GatewayErrors) return cause.errors;
  if (cause instanceof GatewayError) return [cause];
  return [
    new GatewayError({
      code: 'INTERNAL_SERVER_ERROR',
      message: 'Something went wrong in the gateway; its log says more under the request id.',
      status: 500,
      cause,
    }),
  ];
}
