import pg from 'pg';
import type { QueryResultRow } from 'pg';
import type { Fact } from '#deploy/demo/ledger.ts';

/** One application's connection to its own region, with nothing but plain SQL. */
export interface ShopSession {
  readonly region: string;
  readonly client: pg.Client;
}

/** A transaction that did not commit, whole: the writer goes on with the next one. */
export const GAVE_WAY = 'gave way';

export async function openShopSession(region: string, url: string): Promise<ShopSession> {
  const client = new pg.Client({ connectionString: url, application_name: `shop ${region}` });
  // Ends with its server; the query that notices says so.
  client.on('error', () => {});
  await client.connect();
  return { region, client };
}

/** Runs `work` in one transaction; resolves to its facts once PostgreSQL has acknowledged it. */
export async function inTransaction(
  { client }: ShopSession,
  work: () => Promise<readonly Fact[]>,
): Promise<readonly Fact[] | typeof GAVE_WAY> {
  try {
    await client.query('BEGIN');
    const facts = await work();
    await client.query('COMMIT');
    return facts;
  } catch (error) {
    // Without a connection nobody can tell whether the commit counted, and the demo may not guess.
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query('ROLLBACK');
    return GAVE_WAY;
  }
}

export async function firstRow<Row extends QueryResultRow>(
  { client }: ShopSession,
  sql: string,
  parameters: readonly unknown[],
): Promise<Row | undefined> {
  const { rows } = await client.query<Row>(sql, [...parameters]);
  return rows[0];
}
