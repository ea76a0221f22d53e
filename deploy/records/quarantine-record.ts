import type { PgText } from '#core/relation.ts';
import { keyParts } from '#core/row-key.ts';
import type { RowKey } from '#core/row-key.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { decodeKey, encodeKey } from '#replicator/pg/sql-key.ts';

type Row = Readonly<Record<string, PgText>>;

/** A row that one region's table refuses. */
export interface QuarantineRecord {
  readonly region: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly sqlState: string;
  /** What the table said. */
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;
  /** The row as it is everywhere else; null: it should not be there. */
  readonly wanted: Row | null;
  readonly since: string;
  readonly attempts: number;
}

/** A row that was given up. */
export interface DiscardRecord {
  readonly region: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly sqlState: string;
  readonly refusedBecause: string;
  readonly wanted: Row | null;
  readonly kept: Row | null;
  readonly reason: string;
  readonly discardedBy: string;
  readonly discardedAt: string;
}

interface Stored {
  readonly relation: string;
  readonly key: string;
  readonly sqlState: string;
  readonly reason: string;
  readonly wanted: string | null;
  readonly since: string;
  readonly attempts: number;
}

/** Oldest first. */
export async function listQuarantine(
  client: AdminClient,
  region: string,
  { table, key, limit }: { table?: string | undefined; key?: RowKey | undefined; limit: number },
): Promise<readonly QuarantineRecord[]> {
  const rows = await client.select<Stored>(
    `SELECT relation, key, sql_state AS "sqlState", reason, wanted, since::text, attempts
     FROM everywrite.quarantine
     WHERE ($1::text IS NULL OR relation = $1) AND ($2::text IS NULL OR key = $2)
     ORDER BY since, relation, key LIMIT $3`,
    [table ?? null, key === undefined ? null : encodeKey(key), limit],
  );
  return rows.map(({ relation, key: stored, wanted, ...row }) => ({
    region,
    table: relation,
    key: keyParts(decodeKey(stored) as RowKey),
    ...row,
    advice: adviceFor(row.sqlState),
    wanted: wanted === null ? null : (JSON.parse(wanted) as Row),
  }));
}

/** Newest first. */
export async function listDiscarded(
  client: AdminClient,
  region: string,
  limit: number,
): Promise<readonly DiscardRecord[]> {
  interface Discarded extends Omit<DiscardRecord, 'region' | 'key' | 'wanted' | 'kept'> {
    readonly key: string;
    readonly wanted: string | null;
    readonly kept: string | null;
  }
  const rows = await client.select<Discarded>(
    `SELECT relation AS table, key, sql_state AS "sqlState", refused_because AS "refusedBecause",
       wanted, kept, reason, discarded_by AS "discardedBy", discarded_at::text AS "discardedAt"
     FROM everywrite.discarded ORDER BY id DESC LIMIT $1`,
    [limit],
  );
  return rows.map(({ key, wanted, kept, ...row }) => ({
    region,
    ...row,
    key: keyParts(decodeKey(key) as RowKey),
    wanted: wanted === null ? null : (JSON.parse(wanted) as Row),
    kept: kept === null ? null : (JSON.parse(kept) as Row),
  }));
}

const ADVICE: Readonly<Record<string, string>> = {
  EW001:
    'The regions did not start from the same rows. Compare with "everywrite verify", and insert the row here by hand.',
  '23502': 'Give the column a default here, or drop NOT NULL until every region has the column.',
  '23503': 'The row it refers to is missing here; insert it, or restore it from its conflict.',
  '23505':
    'Another row here has this value. Change one of the two, in any region: both regions follow.',
  '23514': 'Correct the value in any region, or drop the CHECK here.',
  '23P01': 'Another row here excludes this one. Change one of the two, in any region.',
  '42P01': 'Create the table here, with the same key, and run "everywrite init" in this region.',
  '42703': 'Add the column here: ALTER TABLE … ADD COLUMN.',
  '42704': 'Create the type here.',
  '42501': 'Grant the privilege again; under row level security, grant BYPASSRLS or drop FORCE.',
  '22001': 'Widen the column here, or shorten the value in any region.',
  '22003': 'Use a wider number type here, or correct the value in any region.',
  '22P02': 'The types of the column differ between the regions, or an enum lacks a value here.',
  '54000': 'The value is too large for an index of this region.',
};

function adviceFor(sqlState: string): string {
  return (
    ADVICE[sqlState] ??
    (sqlState.startsWith('P0')
      ? 'A trigger of this region refuses the row: let it pass, or correct the row in any region.'
      : 'Mend what the message names; the row follows by itself.')
  );
}
