import type pg from 'pg';

/** A conflict record without what may differ between regions: when it was written down. */
export interface ConflictRecord {
  readonly relation: string;
  readonly key: string;
  readonly column_name: string;
  readonly kind: string;
  readonly winner_dot: string;
  readonly winner_region: string;
  readonly winner_hlc: string;
  readonly winner_value: string | null;
  readonly loser_dot: string;
  readonly loser_region: string;
  readonly loser_hlc: string;
  readonly loser_value: string | null;
}

/** Every row of every replicated table as text, and every conflict record. */
export interface Contents {
  readonly tables: Readonly<Record<string, readonly string[]>>;
  readonly conflicts: readonly ConflictRecord[];
}

const TABLES = `
  SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_publication_tables
  WHERE pubname = 'everywrite' AND schemaname <> 'everywrite' ORDER BY 1`;
const CONFLICTS = `
  SELECT relation, key, column_name, kind, winner_dot, winner_region, winner_hlc, winner_value,
         loser_dot, loser_region, loser_hlc, loser_value
  FROM everywrite.conflicts ORDER BY relation, key, column_name, winner_dot, loser_dot`;

async function read(sql: pg.Client): Promise<Contents> {
  const names = await sql.query<{ name: string }>(TABLES);
  const tables: Record<string, readonly string[]> = {};
  for (const { name } of names.rows) {
    // Column order may differ between regions; jsonb sorts names and keeps numbers' digits.
    const text = `SELECT to_jsonb(t)::text AS row FROM ${name} t ORDER BY 1`;
    const { rows } = await sql.query<{ row: string }>(text);
    tables[name] = rows.map(({ row }) => row);
  }
  const conflicts = await sql.query<ConflictRecord>(CONFLICTS);
  return { tables, conflicts: conflicts.rows };
}

function same(left: Contents, right: Contents | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** What only one of two regions has, as sentences. */
function differences(left: Contents, right: Contents): readonly string[] {
  const lines = (contents: Contents): ReadonlySet<string> =>
    new Set([
      ...Object.entries(contents.tables).flatMap(([name, rows]) =>
        rows.map((row) => `${name} ${row}`),
      ),
      ...contents.conflicts.map((conflict) => `conflict ${JSON.stringify(conflict)}`),
    ]);
  const [ours, theirs] = [lines(left), lines(right)];
  return [
    ...[...ours].filter((line) => !theirs.has(line)).map((line) => `only the first: ${line}`),
    ...[...theirs].filter((line) => !ours.has(line)).map((line) => `only the other: ${line}`),
  ];
}

export const compareRegions = { read, same, differences };
