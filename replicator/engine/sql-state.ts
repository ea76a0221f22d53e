import type { ErrorCode, Recovery } from '#core/errors.ts';

export interface Decision {
  readonly code: ErrorCode;
  readonly recovery: Recovery;
}

const LOCK: Decision = { code: 'LOCK_TIMEOUT', recovery: 'retry' };
export const UNREACHABLE: Decision = { code: 'DATABASE_UNREACHABLE', recovery: 'retry' };
const REFUSED: Decision = { code: 'ROW_REFUSED', recovery: 'operator' };
const NO_PRIVILEGE: Decision = { code: 'PRIVILEGE_MISSING', recovery: 'operator' };

/** Exact codes go before their classes: 42501 is in class 42, and no row is to blame for it. */
const BY_SQL_STATE: Readonly<Record<string, Decision>> = {
  '55P03': LOCK, // lock_not_available
  '40P01': LOCK, // deadlock_detected
  '40001': LOCK, // serialization_failure
  '57014': LOCK, // query_canceled: by our own watch over lock waits, or by an operator
  '42501': NO_PRIVILEGE, // insufficient_privilege
  '57P01': UNREACHABLE, // admin_shutdown
  '57P02': UNREACHABLE, // crash_shutdown
  '57P03': UNREACHABLE, // cannot_connect_now
  '57P04': UNREACHABLE, // database_dropped
  '57P05': UNREACHABLE, // idle_session_timeout
  '53300': UNREACHABLE, // too_many_connections
  '28000': NO_PRIVILEGE, // invalid_authorization_specification
  '28P01': NO_PRIVILEGE, // invalid_password
  '3D000': { code: 'CONFIG_INVALID', recovery: 'operator' }, // the database does not exist
};

const BY_CLASS: Readonly<Record<string, Decision>> = {
  '08': UNREACHABLE, // connection exception
  '22': REFUSED, // data exception
  '23': REFUSED, // integrity constraint violation
  '42': REFUSED, // syntax error or access rule violation: the table is not as the row expects it
  // What only some rows provoke, and would otherwise end apply again and again: a value too large for a
  // local index, a table that cannot take it, a trigger or function of this region that says no.
  '0A': REFUSED, // feature not supported
  '27': REFUSED, // triggered data change violation
  '38': REFUSED, // external routine exception
  '39': REFUSED, // external routine invocation exception
  '44': REFUSED, // WITH CHECK OPTION violation
  '54': REFUSED, // program limit exceeded
  P0: REFUSED, // PL/pgSQL error: RAISE EXCEPTION
};

/** What PostgreSQL's SQLSTATE means for who sent the statement: part of the contract of a DatabaseSession. */
export function decideSqlState(sqlState: string): Decision {
  return (
    BY_SQL_STATE[sqlState] ??
    BY_CLASS[sqlState.slice(0, 2)] ?? { code: 'STATEMENT_FAILED', recovery: 'restart' }
  );
}
