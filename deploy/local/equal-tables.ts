import type { Client } from 'pg';
import { must } from '#core/assert.ts';
import { relationId } from '#core/relation.ts';
import { quoteIdentifier, quoteLiteral, quoteTable } from '#replicator/pg/quote.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';
import { copyAcross } from './copy-text.ts';

/** A region's open connection, as superuser. */
export interface RegionSession {
  readonly region: string;
  readonly client: Client;
}

/**
 * Makes the tables of the other regions equal to those of the first, and its sequences with them: rows
 * from before the set-up are never sent, so they must be the same everywhere. Returns the tables whose
 * rows differed (a default such as now() or random() gives every region its own).
 */
export async function equaliseTables(
  tables: readonly UserTable[],
  first: RegionSession,
  others: readonly RegionSession[],
): Promise<readonly string[]> {
  const differing: string[] = [];
  for (const table of tables) {
    const wanted = await digestOf(first.client, table);
    let equal = true;
    for (const other of others) {
      if ((await digestOf(other.client, table)) === wanted) continue;
      equal = false;
      await copyTable(table, first.client, other.client);
      if ((await digestOf(other.client, table)) === wanted) continue;
      throw new Error(
        `table ${relationId(table)} of ${other.region} differs from that of ${first.region} even after ` +
          `its rows were copied; load the same rows into both regions yourself`,
      );
    }
    if (!equal) differing.push(relationId(table));
  }
  const positions = await sequencePositions(first.client);
  for (const { client } of others) if (positions !== '') await client.query(positions);
  return differing;
}

async function digestOf(client: Client, table: UserTable): Promise<string> {
  // A sum, because rows have no order, and because no server has to hold them all.
  const { rows } = await client.query<{ readonly digest: string }>(
    `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS digest
     FROM ${fromClause(table)} AS t`,
  );
  return must(rows[0], 'digest').digest;
}

async function copyTable(table: UserTable, source: Client, target: Client): Promise<void> {
  const stored = table.columns.filter((column) => column.generated === 'no');
  const columns = stored.map((column) => quoteIdentifier(column.name)).join(', ');
  await target.query('BEGIN');
  // No trigger and no foreign key: neither may the rows be changed nor others follow them.
  await target.query('SET LOCAL session_replication_role = replica');
  await target.query(`DELETE FROM ${fromClause(table)}`);
  await copyAcross(
    {
      client: source,
      statement: `COPY (SELECT ${columns} FROM ${fromClause(table)}) TO STDOUT`,
    },
    { client: target, statement: `COPY ${quoteTable(table)} (${columns}) FROM STDIN` },
  );
  await target.query('COMMIT');
}

/** The statement that brings all sequences of another database to where they stand in this one. */
async function sequencePositions(client: Client): Promise<string> {
  const { rows } = await client.query<{ readonly name: string; readonly value: string }>(
    `SELECT format('%I.%I', schemaname, sequencename) AS name, last_value::text AS value
     FROM pg_sequences WHERE last_value IS NOT NULL AND schemaname <> 'everywrite'`,
  );
  const calls = rows.map(({ name, value }) => `setval(${quoteLiteral(name)}, ${value})`);
  return calls.length === 0 ? '' : `SELECT ${calls.join(', ')}`;
}

function fromClause(table: UserTable): string {
  // A partitioned table has its rows in others, any other only those that are its own.
  return `${table.kind === 'partitioned' ? '' : 'ONLY '}${quoteTable(table)}`;
}
