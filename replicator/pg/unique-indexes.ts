import type { Relation } from '#core/relation.ts';
import { prepared, quoteIdentifier } from './sql-query.ts';
import type { Query } from './sql-query.ts';

/** A UNIQUE index or exclusion constraint other than the primary key's, ready to be written into SQL. */
export interface UniqueIndex {
  readonly name: string;
  /** Columns it looks at, those inside expressions and its predicate included. */
  readonly columns: readonly string[];
  /** Each key: an expression over the table's columns, and the operator under which two rows collide. */
  readonly keys: readonly { readonly expression: string; readonly operator: string }[];
  readonly predicate: string | null;
  readonly nullsEqual: boolean;
  /** Checked by a trigger, which does not fire for apply: two rows could come to share a value unseen. */
  readonly deferrable: boolean;
}

/** A generated column's expression: a row that is not in the table has only what it is made of. */
export interface GeneratedColumn {
  readonly name: string;
  readonly expression: string;
}

interface CatalogueIndex {
  readonly name: string;
  readonly columns: readonly string[];
  readonly keys: readonly {
    readonly expression: string;
    readonly schema: string;
    readonly operator: string;
    readonly collation: readonly [schema: string, name: string] | null;
  }[];
  readonly predicate: string | null;
  readonly nullsEqual: boolean;
  readonly deferrable: boolean;
}

export function uniqueIndexQuery({ schema, name }: Relation, serverVersion: number): Query {
  const nullsEqual = serverVersion >= 150_000 ? 'x.indnullsnotdistinct' : 'false';
  return prepared(UNIQUE_INDEXES.replace('NULLS_EQUAL', nullsEqual), [schema, name]);
}

export function parseUniqueIndex(text: string): UniqueIndex {
  const { keys, ...index } = JSON.parse(text) as CatalogueIndex;
  return {
    ...index,
    keys: keys.map(({ expression, schema, operator, collation }) => ({
      expression:
        collation === null
          ? `(${expression})`
          : `(${expression}) COLLATE ${collation.map(quoteIdentifier).join('.')}`,
      operator: `OPERATOR(${quoteIdentifier(schema)}.${operator})`,
    })),
  };
}

export function generatedColumnQuery({ schema, name }: Relation): Query {
  return prepared(GENERATED, [schema, name]);
}

// An exclusion constraint names its operators; a unique index means the equality of its operator class.
const UNIQUE_INDEXES = `
SELECT json_build_object(
  'name', i.relname,
  'columns', (
    SELECT json_agg(DISTINCT a.attname) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND (
      a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1]) OR EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
          AND d.refobjsubid = a.attnum)
      -- What a generated column among them is made of: that is what somebody wrote.
      OR EXISTS (
        SELECT FROM pg_depend d
        LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
        WHERE (d.classid = 'pg_class'::regclass AND d.objid = c.oid OR e.adrelid = c.oid)
          -- Before 15 it is the column that depends, since then its expression.
          AND coalesce(e.adnum, d.objsubid) = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1])
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
          AND d.refobjsubid = a.attnum))),
  'keys', (
    SELECT json_agg(json_build_object(
        'expression', pg_get_indexdef(x.indexrelid, k.at::int, false),
        'schema', s.nspname, 'operator', o.oprname,
        'collation', (SELECT json_build_array(ln.nspname, l.collname)
          FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
          WHERE l.oid = k.collated)) ORDER BY k.at)
    FROM unnest(x.indclass::oid[], x.indcollation::oid[]) WITH ORDINALITY AS k(opclass, collated, at)
    JOIN pg_opclass oc ON oc.oid = k.opclass
    JOIN pg_operator o ON o.oid = coalesce(
      n.conexclop[k.at],
      (SELECT f.amopopr FROM pg_amop f WHERE f.amopfamily = oc.opcfamily AND f.amopstrategy = 3
        AND f.amoplefttype = oc.opcintype AND f.amoprighttype = oc.opcintype))
    JOIN pg_namespace s ON s.oid = o.oprnamespace
    WHERE k.at <= x.indnkeyatts),
  'deferrable', NOT x.indimmediate,
  'predicate', pg_get_expr(x.indpred, x.indrelid),
  'nullsEqual', NULLS_EQUAL)::text
FROM pg_class c
JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid AND (x.indisunique OR x.indisexclusion) AND NOT x.indisprimary
JOIN pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_constraint n ON n.conindid = x.indexrelid AND n.conexclop IS NOT NULL
WHERE cn.nspname = $1::text AND c.relname = $2::text AND x.indisvalid
ORDER BY i.relname`;

const GENERATED = `
SELECT a.attname, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = $1::text AND c.relname = $2::text AND a.attgenerated <> ''
ORDER BY a.attnum`;
