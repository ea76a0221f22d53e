import type { ComparedTable } from '#deploy/verify/table-list.ts';
import { quoteIdentifier, quoteTable } from '#replicator/pg/quote.ts';

/** Hex digits by which one level of buckets is finer than the one above: 4096 buckets each. */
export const BUCKET_DIGITS = 3;
const VALUE_LENGTH_MAX = 200;

// Sums do not depend on the order of rows, so nothing is sorted; the count is in it because sums of
// nothing and of opposite hashes are both zero.
const DIGEST = `md5(concat_ws(':', count(*), sum(('x' || left(h, 16))::bit(64)::int8),
  sum(('x' || right(h, 16))::bit(64)::int8)))`;

/** One row: rows and digest of the whole table. */
export function tableDigestQuery(table: ComparedTable): string {
  return `SELECT count(*) AS rows, ${DIGEST} AS digest
    FROM (SELECT ${rowHash(table)} AS h FROM ${quoteTable(table)}) hashed`;
}

/** Rows and digest per bucket of keys, for the keys whose hash begins with one of `$1`. */
export function bucketDigestQuery(table: ComparedTable, digits: number): string {
  return `SELECT left(k, ${digits}) AS bucket, count(*) AS rows, ${DIGEST} AS digest
    FROM (SELECT ${keyHash(table)} AS k, ${rowHash(table)} AS h FROM ${quoteTable(table)}) hashed
    WHERE left(k, ${digits - BUCKET_DIGITS}) = ANY($1::text[]) GROUP BY 1`;
}

/** Hash of key and row, for every row in the buckets `$1`. */
export function rowHashQuery(table: ComparedTable, digits: number): string {
  return `SELECT k AS key, h AS hash
    FROM (SELECT ${keyHash(table)} AS k, ${rowHash(table)} AS h FROM ${quoteTable(table)}) hashed
    WHERE left(k, ${digits}) = ANY($1::text[])`;
}

/** The rows whose key hashes to one of `$1`: values for people, hashes to tell long ones apart. */
export function rowValuesQuery(table: ComparedTable): string {
  const key = table.key.map((name) => `${quoteIdentifier(name)}::text`);
  const values = table.common.map(
    (name) => `left(${quoteIdentifier(name)}::text, ${VALUE_LENGTH_MAX + 1})`,
  );
  const hashes = table.common.map((name) => `md5(${quoteIdentifier(name)}::text)`);
  return `SELECT ${keyHash(table)} AS id, ARRAY[${key.join(', ')}]::text[] AS key,
      ARRAY[${values.join(', ')}]::text[] AS values, ARRAY[${hashes.join(', ')}]::text[] AS hashes
    FROM ${quoteTable(table)} WHERE ${keyHash(table)} = ANY($1::text[])`;
}

/** A value as it is shown: at its full length, or cut where the query cut it. */
export function shortened(value: string): string {
  return value.length > VALUE_LENGTH_MAX ? `${value.slice(0, VALUE_LENGTH_MAX)}…` : value;
}

function rowHash(table: ComparedTable): string {
  return hashOf(table.common);
}

function keyHash(table: ComparedTable): string {
  return hashOf(table.key);
}

function hashOf(columns: readonly string[]): string {
  return `md5(ROW(${columns.map(quoteIdentifier).join(', ')})::text)`;
}
