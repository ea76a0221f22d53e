import type { Client } from 'pg';
import { EverywriteError } from '#core/errors.ts';
import { formatLsn, parseLsn } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';
import type { ReplicationOptions } from '#replicator/engine/replication-port.ts';
import { quoteIdentifier } from '#replicator/pg/quote.ts';
import { slotLost } from '#replicator/pg/replication-errors.ts';
import { VERSION_ORIGIN_FILTER } from '#replicator/pg/server-facts.ts';

/** What the server says before the stream starts. */
export interface StreamFacts {
  /** After so long without a word from us the server ends the session; 0: never. */
  readonly walSenderTimeoutMs: number;
  readonly confirmedFlushLsn: Lsn;
}

/**
 * Asks on the walsender session itself. PostgreSQL 18 only warns about a publication that does not
 * exist and then streams nothing, so it is looked for here (replication-stream.pg.test.ts).
 */
export async function readStreamFacts(
  client: Client,
  options: ReplicationOptions,
): Promise<StreamFacts> {
  // Parameters need the extended protocol, which a walsender refuses.
  const result = await client.query<FactsRow>(`
    SELECT current_setting('server_version_num') AS version,
           (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout') AS timeout_ms,
           current_setting('wal_level') AS wal_level,
           s.wal_status, s.plugin, s.database, current_database()::text AS here,
           s.confirmed_flush_lsn::text AS confirmed, p.pubname::text AS publication
      FROM (VALUES (1)) AS one
      LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = ${literal(options.slot)}
      LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ${literal(options.publication)}`);
  const [row] = result.rows;
  if (row === undefined) throw new Error('the server did not answer');
  refuse(row, options);
  return {
    walSenderTimeoutMs: Number(row.timeout_ms),
    confirmedFlushLsn: parseLsn(row.confirmed ?? '0/0'),
  };
}

interface FactsRow {
  readonly version: string;
  readonly timeout_ms: string;
  readonly wal_level: string;
  readonly wal_status: string | null;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly here: string;
  readonly confirmed: string | null;
  readonly publication: string | null;
}

function refuse(row: FactsRow, { slot, publication, origin }: ReplicationOptions): void {
  if (row.wal_level !== 'logical') {
    const message = `wal_level is ${row.wal_level}: ALTER SYSTEM SET wal_level = logical; then restart PostgreSQL.`;
    throw new EverywriteError({ code: 'WAL_LEVEL', recovery: 'operator', message });
  }
  if (row.plugin === null) throw missing(`There is no replication slot "${slot}".`);
  if (row.plugin !== 'pgoutput' || row.database !== row.here) {
    const whose = `of plugin ${row.plugin} in database "${row.database}"`;
    throw missing(`Slot "${slot}" is ${whose}, not of pgoutput in "${row.here}".`);
  }
  if (row.wal_status === 'lost') {
    const message = slotLost(slot, 'wal_status is lost');
    throw new EverywriteError({ code: 'SLOT_LOST', recovery: 'operator', message });
  }
  if (row.publication === null) throw missing(`There is no publication "${publication}".`);
  if (origin === 'none' && Number(row.version) < VERSION_ORIGIN_FILTER) {
    const message = 'Filtering by origin needs PostgreSQL 16; set replication.origin to marker.';
    throw new EverywriteError({ code: 'CONFIG_INVALID', recovery: 'operator', message });
  }
}

function missing(what: string): EverywriteError {
  const message = `${what} Prepare this region again.`;
  return new EverywriteError({ code: 'SLOT_MISSING', recovery: 'operator', message });
}

/** Protocol 1: transactions arrive whole, after they committed, in commit order. */
export function startStatement(options: ReplicationOptions): string {
  const settings = [
    "proto_version '1'",
    // A list of identifiers inside a string.
    `publication_names ${literal(quoteIdentifier(options.publication))}`,
    "messages 'true'",
    ...(options.origin === 'none' ? ["origin 'none'"] : []),
  ];
  const start = formatLsn(options.startLsn);
  return `START_REPLICATION SLOT ${quoteIdentifier(options.slot)} LOGICAL ${start} (${settings.join(', ')})`;
}

// The replication grammar knows no E'': a backslash is itself.
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
