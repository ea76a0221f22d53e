// Objects of extensions are theirs to expose; partitions and inheritance children are read by their parent.
const NOT_OURS = `
  n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'everywrite')`;

const COMMENTS = (catalogue: string, oid: string, column = '0'): string =>
  `(SELECT d.description FROM pg_description d
    WHERE d.classoid = '${catalogue}'::regclass AND d.objoid = ${oid} AND d.objsubid = ${column})`;

const COLUMN_NAMES = (relation: string, numbers: string): string =>
  `(SELECT json_agg(a.attname ORDER BY ord.at) FROM unnest(${numbers}) WITH ORDINALITY ord(num, at)
    JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = ord.num)`;

const COLUMNS = `
SELECT coalesce(json_agg(json_build_object(
  'name', a.attname, 'type', a.atttypid::text, 'notNull', a.attnotnull,
  'hasDefault', a.atthasdef OR a.attidentity <> '',
  'written', CASE WHEN a.attgenerated <> '' OR a.attidentity = 'a' THEN 'never' ELSE 'freely' END,
  'comment', ${COMMENTS('pg_class', 'a.attrelid', 'a.attnum')}) ORDER BY a.attnum), '[]')
FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

const KEYS = `
SELECT coalesce(json_agg(json_build_object(
  'name', k.conname, 'primary', k.contype = 'p',
  'columns', ${COLUMN_NAMES('k.conrelid', 'k.conkey')},
  'comment', ${COMMENTS('pg_constraint', 'k.oid')}) ORDER BY k.contype, k.conname), '[]')
FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u')`;

const FOREIGN_KEYS = `
SELECT coalesce(json_agg(json_build_object(
  'name', k.conname, 'target', k.confrelid::text,
  'columns', ${COLUMN_NAMES('k.conrelid', 'k.conkey')},
  'targetColumns', ${COLUMN_NAMES('k.confrelid', 'k.confkey')},
  'comment', ${COMMENTS('pg_constraint', 'k.oid')}) ORDER BY k.conname), '[]')
FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0`;

// pg_relation_is_updatable sets bit 1 << CmdType: 2 update, 3 insert, 4 delete.
const TABLES = `
SELECT coalesce(json_agg(json_build_object(
  'oid', c.oid::text, 'rowType', c.reltype::text, 'schema', n.nspname, 'name', c.relname,
  'kind', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                         WHEN 'f' THEN 'foreign table' ELSE 'table' END,
  'comment', ${COMMENTS('pg_class', 'c.oid')},
  'columns', (${COLUMNS}), 'keys', (${KEYS}), 'foreignKeys', (${FOREIGN_KEYS}),
  'writes', json_build_object('update', w.bits & 4 > 0, 'insert', w.bits & 8 > 0,
                              'delete', w.bits & 16 > 0)) ORDER BY n.nspname, c.relname), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT pg_relation_is_updatable(c.oid, true) AS bits) w
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND ${NOT_OURS}
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')`;

const TYPES = `
SELECT coalesce(json_agg(json_build_object(
  'oid', t.oid::text, 'schema', n.nspname, 'name', t.typname,
  'kind', CASE t.typtype WHEN 'c' THEN 'composite' WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum'
          WHEN 'r' THEN 'range' WHEN 'm' THEN 'multirange' WHEN 'p' THEN 'pseudo' ELSE 'base' END,
  'comment', ${COMMENTS('pg_type', 't.oid')},
  'element', CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem::text END,
  'base', nullif(t.typbasetype, 0)::text, 'notNull', t.typnotnull,
  'labels', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
             FROM pg_enum e WHERE e.enumtypid = t.oid),
  'attributes', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', a.atttypid::text)
                                 ORDER BY a.attnum), '[]') FROM pg_attribute a
                 WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
  'ordered', t.typtype IN ('e', 'd', 'r', 'm') OR EXISTS (
     SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
     WHERE o.opcdefault AND (o.opcintype = t.oid OR t.typname IN ('varchar', 'name'))))
  ORDER BY t.oid), '[]')
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname NOT IN ('information_schema', 'pg_toast', 'everywrite')
  AND NOT (n.nspname = 'pg_catalog' AND t.typtype = 'c')
  AND (n.nspname <> 'pg_catalog' OR t.typcategory <> 'A' OR t.typelem = ANY (
    SELECT y.oid FROM pg_type y WHERE y.typtype <> 'c'))`;

const FUNCTIONS = `
SELECT coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'name', p.proname,
  'volatility', CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
  'arguments', (SELECT coalesce(json_agg(json_build_object(
       'name', coalesce(p.proargnames[a.at], ''), 'type', a.type::text,
       'optional', a.at > p.pronargs - p.pronargdefaults) ORDER BY a.at), '[]')
     FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, at)),
  'returns', p.prorettype::text, 'returnsSet', p.proretset,
  'comment', ${COMMENTS('pg_proc', 'p.oid')}) ORDER BY n.nspname, p.proname, p.oid), '[]')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND ${NOT_OURS} AND p.provariadic = 0 AND p.proargmodes IS NULL
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                  AND d.objid = p.oid AND d.deptype = 'e')`;

/** One JSON text with everything. Equal catalogues give equal texts, so its hash tells of a change. */
export const CATALOGUE_QUERY = `
SELECT json_build_object('tables', (${TABLES}), 'types', (${TYPES}), 'functions', (${FUNCTIONS}))::text`;
