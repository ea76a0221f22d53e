/** What the simulated server refuses, as PostgreSQL would. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** Any statement but ROLLBACK in a transaction that has failed. */
export function inFailedTransaction(): SqlError {
  return new SqlError(
    '25P02',
    'current transaction is aborted, commands ignored until end of transaction block',
  );
}
