import { EverywriteError } from '#core/errors.ts';
import { byCodeUnit } from '#core/version-vector.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { counted } from '#replicator/pg/counted.ts';
import type { PrepareAction } from '#replicator/pg/prepare-report.ts';
import { quoteTable } from '#replicator/pg/quote.ts';
import { VERSION_GENERATED_COLUMNS } from '#replicator/pg/server-facts.ts';

export const PUBLICATION = 'everywrite';

/** Everywrite's own tables that capture must see. */
export const OWN_PUBLISHED: readonly TableName[] = [
  { schema: 'everywrite', name: 'applied' },
  { schema: 'everywrite', name: 'settings' },
];

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface PublicationState {
  readonly allTables: boolean;
  readonly wholeSchemas: boolean;
  readonly operations: readonly string[];
  readonly viaRoot: boolean;
  /** Before PostgreSQL 18 there is no such option. */
  readonly generatedColumns: 'none' | 'stored';
  readonly tables: readonly PublishedTable[];
}

export interface PublishedTable extends TableName {
  /** A row filter or a column list: rows or columns would vanish from the stream. */
  readonly filtered: boolean;
}

export async function readPublication(
  client: AdminClient,
  version: number,
): Promise<PublicationState | null> {
  const [state] = await client.select<PublicationState>(
    `SELECT p.puballtables AS "allTables",
       ${version >= 150_000 ? 'EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)' : 'false'} AS "wholeSchemas",
       array_remove(ARRAY[
         CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
         CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END
       ], NULL) AS operations,
       p.pubviaroot AS "viaRoot",
       ${version >= VERSION_GENERATED_COLUMNS ? "CASE p.pubgencols WHEN 's' THEN 'stored' ELSE 'none' END" : "'none'"} AS "generatedColumns",
       coalesce((SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname,
           'filtered', ${version >= 150_000 ? 'r.prqual IS NOT NULL OR r.prattrs IS NOT NULL' : 'false'}))
         FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.prpubid = p.oid), '[]') AS tables
     FROM pg_publication p WHERE p.pubname = $1`,
    [PUBLICATION],
  );
  return state ?? null;
}

/** Makes the publication hold exactly these tables, whole, and every kind of change. */
export async function ensurePublication(
  client: AdminClient,
  version: number,
  tables: readonly TableName[],
): Promise<readonly PrepareAction[]> {
  const state = await readPublication(client, version);
  const wanted = [...tables, ...OWN_PUBLISHED].map(quoteTable).toSorted(byCodeUnit);
  const options = publicationOptions(version);
  if (state === null) {
    await client.execute(
      `CREATE PUBLICATION ${PUBLICATION} FOR TABLE ${only(wanted)} WITH (${options})`,
    );
    return [action('done', `created for ${counted(wanted.length, 'table')}`)];
  }
  if (state.allTables) {
    throw new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: `There is a publication "${PUBLICATION}" FOR ALL TABLES already, which cannot be narrowed; drop or rename it, then run init again.`,
    });
  }
  const current = state.tables.map(quoteTable).toSorted(byCodeUnit);
  const details: string[] = [];
  if (optionFaults(state, version).length > 0) {
    await client.execute(`ALTER PUBLICATION ${PUBLICATION} SET (${options})`);
    details.push(`options corrected: ${optionFaults(state, version).join(', ')}`);
  }
  const added = wanted.filter((table) => !current.includes(table));
  const removed = current.filter((table) => !wanted.includes(table));
  const misshapen = state.wholeSchemas || state.tables.some((table) => table.filtered);
  if (added.length > 0 || removed.length > 0 || misshapen) {
    await client.execute(`ALTER PUBLICATION ${PUBLICATION} SET TABLE ${only(wanted)}`);
    details.push(...added.map((table) => `added ${table}`));
    details.push(...removed.map((table) => `removed ${table}`));
    if (misshapen) details.push('row filters, column lists and whole schemas removed');
  }
  if (details.length === 0) return [action('unchanged', counted(wanted.length, 'table'))];
  return details.map((detail) => action('done', detail));
}

/** What is wrong with the publication's options, in words. */
export function optionFaults(state: PublicationState, version: number): readonly string[] {
  const missing = ['insert', 'update', 'delete', 'truncate'].filter(
    (operation) => !state.operations.includes(operation),
  );
  return [
    ...missing.map((operation) => `${operation} is not published`),
    ...(state.viaRoot ? [] : ['publish_via_partition_root is off']),
    ...(version >= VERSION_GENERATED_COLUMNS && state.generatedColumns !== 'stored'
      ? ['publish_generated_columns is not "stored"']
      : []),
  ];
}

function publicationOptions(version: number): string {
  const always = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true";
  // From 18 on, UPDATE of a table with REPLICA IDENTITY FULL and an unpublished generated column is an error.
  const generated = ", publish_generated_columns = 'stored'";
  return version >= VERSION_GENERATED_COLUMNS ? always + generated : always;
}

function only(tables: readonly string[]): string {
  return tables.map((table) => `ONLY ${table}`).join(', ');
}

function action(outcome: 'done' | 'unchanged', detail: string): PrepareAction {
  return { step: 'publication', target: PUBLICATION, outcome, detail };
}
