import pg from 'pg';
import { expect, test } from 'vitest';
import { databaseError } from '#replicator/pg/database-error.ts';

function serverError(code: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('said', 4, 'error'), {
    code,
    detail: 'd'.repeat(5_000),
  });
}

test.each([
  ['55P03', 'LOCK_TIMEOUT', 'retry'],
  ['40P01', 'LOCK_TIMEOUT', 'retry'],
  ['40001', 'LOCK_TIMEOUT', 'retry'],
  ['22001', 'ROW_REFUSED', 'operator'],
  ['23505', 'ROW_REFUSED', 'operator'],
  ['42703', 'ROW_REFUSED', 'operator'],
  ['42501', 'PRIVILEGE_MISSING', 'operator'],
  ['57P01', 'DATABASE_UNREACHABLE', 'retry'],
  ['08006', 'DATABASE_UNREACHABLE', 'retry'],
  ['25P02', 'STATEMENT_FAILED', 'restart'],
])('SQLSTATE %s is %s, %s', (sqlState, code, recovery) => {
  const error = databaseError(serverError(sqlState));
  expect(error).toMatchObject({ code, recovery, sqlState });
  expect(error.message.length).toBeLessThanOrEqual(1_000);
});

test('whatever the server did not say, the connection did', () => {
  const refused = new AggregateError([], '');
  const error = databaseError(Object.assign(refused, { code: 'ECONNREFUSED' }));
  expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE', recovery: 'retry' });
  expect(error.message).toContain('ECONNREFUSED');
});
