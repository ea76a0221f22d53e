import type { PgText } from '#core/relation.ts';
import { keyParts } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import { formatCount } from '#deploy/cli/quantities.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { decodeKey } from '#replicator/pg/sql-key.ts';

export interface ConflictWriter {
  /** The transaction that wrote it: the same name in every region. */
  readonly dot: string;
  readonly region: string;
  /** Its stamp, microseconds; and the same as a time. */
  readonly hlc: number;
  readonly at: string;
  /** How many of the other side's transactions the writer had seen; null in records of older versions. */
  readonly saw: number | null;
  /** NULL, a value, or (column `*`) the operation as JSON. */
  readonly value: PgText;
}

/** One conflict as every region recorded it. */
export interface ConflictRecord {
  readonly id: string;
  readonly table: string;
  readonly key: readonly string[];
  /** A column, or `*` for whether the row exists. */
  readonly column: string;
  readonly kind: string;
  readonly winner: ConflictWriter;
  readonly loser: ConflictWriter;
  /** Why the winner won. */
  readonly why: string;
  /** When this region came to know of it. */
  readonly recordedAt: string;
}

export interface ConflictFilter {
  readonly table?: string | undefined;
  readonly kind?: string | undefined;
  /** A region that wrote either side. */
  readonly writer?: string | undefined;
  /** Stamps of the later write, microseconds. */
  readonly sinceHlc?: number | undefined;
  readonly limit: number;
}

interface Row {
  readonly id: string;
  readonly relation: string;
  readonly key: string;
  readonly column: string;
  readonly kind: string;
  readonly winner: Omit<ConflictWriter, 'at'>;
  readonly loser: Omit<ConflictWriter, 'at'>;
  readonly recordedAt: string;
}

const SELECT = `
  SELECT id, relation, key, column_name AS column, kind,
    json_build_object('dot', winner_dot, 'region', winner_region, 'hlc', winner_hlc,
      'saw', winner_saw, 'value', winner_value) AS winner,
    json_build_object('dot', loser_dot, 'region', loser_region, 'hlc', loser_hlc,
      'saw', loser_saw, 'value', loser_value) AS loser,
    to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "recordedAt"
  FROM everywrite.conflicts`;
const NEWEST_FIRST = 'ORDER BY greatest(winner_hlc, loser_hlc) DESC, id';

/** The newest records that fit, newest first. */
export async function listConflicts(
  client: AdminClient,
  { table, kind, writer, sinceHlc, limit }: ConflictFilter,
): Promise<readonly ConflictRecord[]> {
  const rows = await client.select<Row>(
    `${SELECT} WHERE ($1::text IS NULL OR relation = $1) AND ($2::text IS NULL OR kind = $2)
       AND ($3::text IS NULL OR $3 IN (winner_region, loser_region))
       AND ($4::int8 IS NULL OR greatest(winner_hlc, loser_hlc) >= $4)
     ${NEWEST_FIRST} LIMIT $5`,
    [table ?? null, kind ?? null, writer ?? null, sinceHlc ?? null, limit],
  );
  return rows.map(record);
}

/** Records whose id begins so; up to `limit`. */
export async function findConflicts(
  client: AdminClient,
  prefix: string,
  limit: number,
): Promise<readonly ConflictRecord[]> {
  if (!/^[0-9a-f]+$/.test(prefix)) return [];
  const rows = await client.select<Row>(
    `${SELECT} WHERE id LIKE $1 || '%' ${NEWEST_FIRST} LIMIT $2`,
    [prefix, limit],
  );
  return rows.map(record);
}

/** What is on record about one row, newest first. */
export async function conflictsOfRow(
  client: AdminClient,
  table: string,
  key: string,
  limit: number,
): Promise<readonly ConflictRecord[]> {
  const rows = await client.select<Row>(
    `${SELECT} WHERE relation = $1 AND key = $2 ${NEWEST_FIRST} LIMIT $3`,
    [table, key, limit],
  );
  return rows.map(record);
}

/** Records that this region came to know after `recordedAt`, oldest first. */
export async function conflictsRecordedSince(
  client: AdminClient,
  recordedAt: string,
  { table, kind, writer, limit }: ConflictFilter,
): Promise<readonly ConflictRecord[]> {
  const rows = await client.select<Row>(
    `${SELECT} WHERE recorded_at >= $1::timestamptz AND ($2::text IS NULL OR relation = $2)
       AND ($3::text IS NULL OR kind = $3)
       AND ($4::text IS NULL OR $4 IN (winner_region, loser_region))
     ORDER BY recorded_at, id LIMIT $5`,
    [recordedAt, table ?? null, kind ?? null, writer ?? null, limit],
  );
  return rows.map(record);
}

function record(row: Row): ConflictRecord {
  const winner = { ...row.winner, at: stampText(row.winner.hlc) };
  const loser = { ...row.loser, at: stampText(row.loser.hlc) };
  const { id, relation: table, column, kind, recordedAt } = row;
  const key = keyParts(decodeKey(row.key) as RowKey);
  return { id, table, key, column, kind, winner, loser, why: why(kind, winner, loser), recordedAt };
}

/** Nothing but the two writes decides, so the sentence is true in every region. */
function why(kind: string, winner: ConflictWriter, loser: ConflictWriter): string {
  if (winner.hlc > loser.hlc) {
    return `its stamp is later by ${formatCount(winner.hlc - loser.hlc)} µs`;
  }
  if (kind === 'truncate') return 'TRUNCATE beats concurrent changes of rows that it had seen';
  if (kind === 'unique') {
    return `its claim to the value is earlier by ${formatCount(loser.hlc - winner.hlc)} µs`;
  }
  if (winner.hlc === loser.hlc) return `equal stamps; the region's name decides`;
  return `the table's policy prefers it, although its stamp is earlier`;
}

/** An HLC as a time; microseconds are kept, because they decide. */
export function stampText(hlc: number): string {
  const seconds = new Date(Math.floor(hlc / 1000)).toISOString().slice(0, 19);
  return `${seconds}.${String(hlc % 1_000_000).padStart(6, '0')}Z`;
}
