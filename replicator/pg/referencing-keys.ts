import type { Relation } from '#core/relation.ts';
import { prepared } from './sql-query.ts';
import type { Query } from './sql-query.ts';

/** A foreign key of another table (or the same) that points at this one. */
export interface ReferencingKey {
  readonly name: string;
  readonly child: { readonly schema: string; readonly name: string };
  /** The child's primary key and the columns of the foreign key, each once. */
  readonly columns: readonly ChildColumn[];
  readonly keyColumns: readonly number[];
  /** Positions in `columns`, and the columns of this table that they refer to. */
  readonly referring: readonly number[];
  readonly referred: readonly string[];
  readonly onDelete: 'no action' | 'cascade' | 'set null' | 'set default';
}

interface ChildColumn {
  readonly name: string;
  readonly typeOid: number;
  /** SQL of the default; null where there is none. */
  readonly default: string | null;
}

export function referencingKeyQuery({ schema, name }: Relation): Query {
  return prepared(REFERENCING, [schema, name]);
}

export function parseReferencingKey(text: string): ReferencingKey {
  return JSON.parse(text) as ReferencingKey;
}

// A child without a primary key has no rows that could be named, and is not replicated.
const REFERENCING = `
SELECT json_build_object(
  'name', f.conname,
  'child', json_build_object('schema', cn.nspname, 'name', c.relname),
  'columns', used.columns,
  'keyColumns', (SELECT json_agg(array_position(used.numbers, k.attnum) - 1 ORDER BY k.at)
    FROM unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, at)),
  'referring', (SELECT json_agg(array_position(used.numbers, k.attnum) - 1 ORDER BY k.at)
    FROM unnest(f.conkey) WITH ORDINALITY AS k(attnum, at)),
  'referred', (SELECT json_agg(a.attname ORDER BY k.at)
    FROM unnest(f.confkey) WITH ORDINALITY AS k(attnum, at)
    JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum),
  'onDelete', CASE f.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null'
    WHEN 'd' THEN 'set default' ELSE 'no action' END)::text
FROM pg_constraint f
JOIN pg_class p ON p.oid = f.confrelid
JOIN pg_namespace pn ON pn.oid = p.relnamespace
JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary
CROSS JOIN LATERAL (
  SELECT json_agg(json_build_object('name', a.attname, 'typeOid', a.atttypid::int8,
      'default', pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum) AS columns,
    array_agg(a.attnum ORDER BY a.attnum) AS numbers
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid
    AND (a.attnum = ANY(f.conkey) OR a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1]))
) used
WHERE f.contype = 'f' AND f.conparentid = 0 AND pn.nspname = $1::text AND p.relname = $2::text
ORDER BY cn.nspname, c.relname, f.conname`;
