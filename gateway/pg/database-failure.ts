import { FlightError } from '#gateway/pg/flight.ts';
import { GatewayError } from '#gateway/errors.ts';
import type { GatewayCode } from '#gateway/errors.ts';

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly constraint?: string | undefined;
  readonly column?: string | undefined;
  readonly table?: string | undefined;
  readonly detail?: string | undefined;
}

/** The server's answer behind a failed flight; null when it was no answer of the server. */
export function serverError(error: unknown): ServerError | null {
  const cause = error instanceof FlightError ? error.cause : error;
  if (!(cause instanceof Error) || !('severity' in cause) || !('code' in cause)) return null;
  return cause as Error & ServerError;
}

interface Meaning {
  readonly code: GatewayCode;
  readonly message: string;
  readonly retryable?: boolean;
}

const CONSTRAINTS: Readonly<Record<string, readonly [GatewayCode, string]>> = {
  '23505': ['UNIQUE_VIOLATION', 'Another row has this value already.'],
  '23503': [
    'FOREIGN_KEY_VIOLATION',
    'A row that this one refers to is missing, or others refer to it.',
  ],
  '23514': ['CHECK_VIOLATION', 'A rule of the table refuses this value.'],
  '23502': ['NOT_NULL_VIOLATION', 'A value is missing that the table needs.'],
  '23P01': ['EXCLUSION_VIOLATION', 'This row excludes one that exists.'],
};

/** Raised by the change's own statement: see `boundedSql` in gateway/compile/write-sql.ts. */
export const TOO_MANY_ROWS_STATE = '2201G';

/** Raised by the recalling statement: see gateway/compile/operation-ids.ts. */
export const ID_REUSED_STATE = '2201E';

/** What a failed statement means to a client: a stable code, never SQL, never another row's values. */
export function databaseFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const server = serverError(error);
  if (server === null) {
    return new GatewayError({
      code: 'DATABASE_UNAVAILABLE',
      message: 'The connection to the database was lost; whether a change was made is not known.',
      status: 503,
      retryable: true,
      cause: error,
    });
  }
  const { constraint, column } = server;
  const [code, message] = CONSTRAINTS[server.code] ?? [];
  if (code !== undefined && message !== undefined) {
    const more = {
      ...(constraint === undefined ? {} : { constraint }),
      ...(column === undefined ? {} : { column }),
    };
    return new GatewayError({ code, message, more, cause: error });
  }
  const meaning = meaningOf(server);
  return new GatewayError({ ...meaning, status: statusOf(meaning.code), cause: error });
}

function meaningOf({ code, message }: ServerError): Meaning {
  if (code === TOO_MANY_ROWS_STATE) {
    return {
      code: 'TOO_MANY_ROWS',
      message: 'More rows are meant than atMost allows; nothing was changed.',
    };
  }
  if (code === ID_REUSED_STATE) {
    const why = 'Another change was made under this opId; give each change an id of its own.';
    return { code: 'OPERATION_ID_REUSED', message: why };
  }
  // RAISE in a function or trigger: its author wrote the message for the client.
  if (code === 'P0001') return { code: 'RAISED', message };
  if (code === '42501') {
    return { code: 'FORBIDDEN', message: 'Your role may not do this.' };
  }
  if (code === '57014') {
    return { code: 'TIMEOUT', message: 'This took too long and was stopped.', retryable: true };
  }
  if (code === '25006') {
    return {
      code: 'OPERATION_NOT_ALLOWED',
      message: 'A query may not change anything; use a mutation.',
    };
  }
  if (code.startsWith('22') || code === '42804' || code === '23000') {
    return { code: 'BAD_USER_INPUT', message: `A value is not valid: ${plainMessage(message)}` };
  }
  if (code.startsWith('40') || code === '55P03') {
    const why = 'Another change got in the way; the same request may succeed now.';
    return { code: 'CONFLICTING_WRITE', message: why, retryable: true };
  }
  if (code.startsWith('53') || code.startsWith('57P') || code.startsWith('08')) {
    const why = 'The database of this region cannot answer at the moment.';
    return { code: 'DATABASE_UNAVAILABLE', message: why, retryable: true };
  }
  return {
    code: 'INTERNAL_SERVER_ERROR',
    message:
      'Something went wrong in the database; the gateway log says more under the request id.',
  };
}

function statusOf(code: GatewayCode): number {
  if (code === 'DATABASE_UNAVAILABLE') return 503;
  return code === 'INTERNAL_SERVER_ERROR' ? 500 : 200;
}

/** Messages of class 22 speak of the client's own value; only their first line. */
function plainMessage(message: string): string {
  return message.split('\n')[0]?.slice(0, 200) ?? '';
}
