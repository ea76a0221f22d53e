import pg from 'pg';
import { EverywriteError } from '#core/errors.ts';
import { decideSqlState, UNREACHABLE } from '#replicator/engine/sql-state.ts';

// A detail quotes the row, which can be as long as a row.
const REASON_LENGTH_MAX = 1_000;

/** What the server or the socket said, as a decision. The driver throws only these two. */
export function databaseError(cause: unknown): EverywriteError {
  if (cause instanceof EverywriteError) return cause;
  if (!(cause instanceof pg.DatabaseError)) {
    const message = `The connection to PostgreSQL broke: ${messageOf(cause)}.`;
    return new EverywriteError({ ...UNREACHABLE, message, cause });
  }
  const sqlState = cause.code ?? '';
  return new EverywriteError({
    ...decideSqlState(sqlState),
    sqlState,
    message: reasonOf(cause),
    cause,
  });
}

/** The connection cannot be used any more, and nothing says whether its last flight counted. */
export function connectionClosed(cause?: unknown): EverywriteError {
  const message = 'This database session is closed; open another one.';
  return new EverywriteError({ ...UNREACHABLE, message, cause });
}

function reasonOf(error: pg.DatabaseError): string {
  const detail = error.detail === undefined ? '' : ` (${error.detail})`;
  return `${error.message}${detail}`.slice(0, REASON_LENGTH_MAX);
}

// Node reports a refused connection to several addresses as an AggregateError without a message.
function messageOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message !== '') return cause.message;
  return 'code' in cause ? String(cause.code) : cause.name;
}
