/** What the supervisor does with an error: try again soon, start the region's pipeline afresh, or wait for a person. */
export type Recovery = 'retry' | 'restart' | 'operator';

/** Stable codes. Operators search for them, so they are never renamed. */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_NOT_PREPARED'
  | 'WAL_LEVEL'
  | 'PRIVILEGE_MISSING'
  | 'SLOT_BUSY'
  | 'SLOT_LOST'
  | 'SLOT_MISSING'
  | 'EPOCH_CHANGED'
  | 'STREAM_FAILED'
  | 'DECODE_FAILED'
  | 'LOG_UNREACHABLE'
  | 'LOG_FENCED'
  | 'LOG_FULL'
  | 'LOG_FORKED'
  | 'LOG_GAP'
  | 'LOG_CORRUPT'
  | 'LOG_TAIL_LOST'
  | 'MUST_REJOIN'
  | 'VECTOR_FENCED'
  | 'LOCK_TIMEOUT'
  | 'FENCE_TIMEOUT'
  | 'ROW_REFUSED'
  | 'STATEMENT_FAILED'
  | 'TRANSACTION_TOO_LARGE'
  | 'PEER_UNREACHABLE'
  | 'SERVER_START_FAILED'
  | 'NOT_CONVERGED'
  | 'USAGE';

export interface ErrorDetails {
  readonly code: ErrorCode;
  readonly recovery: Recovery;
  /** One sentence for the operator: what happened and what to do. */
  readonly message: string;
  /** PostgreSQL's SQLSTATE where a server statement failed. */
  readonly sqlState?: string | undefined;
  readonly cause?: unknown;
}

/** Every expected failure of Everywrite. The code names it, the recovery decides what happens next. */
export class EverywriteError extends Error {
  override readonly name = 'EverywriteError';
  readonly code: ErrorCode;
  readonly recovery: Recovery;
  readonly sqlState: string | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.recovery = details.recovery;
    this.sqlState = details.sqlState;
  }
}

/** The error as an EverywriteError; anything unknown becomes `code` with recovery `restart`. */
export function asEverywriteError(error: unknown, code: ErrorCode): EverywriteError {
  if (error instanceof EverywriteError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new EverywriteError({ code, recovery: 'restart', message, cause: error });
}
