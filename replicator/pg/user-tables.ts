import type { AdminClient } from '#replicator/pg/admin-client.ts';

/** A table of the user's, as PostgreSQL's catalogue describes it. Partitions belong to their root. */
export interface UserTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'ordinary' | 'partitioned';
  readonly owner: string;
  readonly comment: string | null;
  /** Whether our role may alter it. */
  readonly owned: boolean;
  /** The extension that brought it, if one did. */
  readonly extension: string | null;
  readonly inheritanceChildren: boolean;
  readonly rowSecurityActive: boolean;
  readonly triggers: readonly string[];
  readonly foreignKeys: readonly string[];
  readonly primaryKey: PrimaryKey | null;
  readonly columns: readonly UserColumn[];
  /** The table itself and, below a partitioned root, every partition: all that hold or log rows. */
  readonly members: readonly TableMember[];
}

export interface PrimaryKey {
  readonly columns: readonly string[];
  readonly constraint: string;
  readonly deferrable: boolean;
}

export interface UserColumn {
  readonly name: string;
  /** As declared: `numeric(10,2)`. */
  readonly type: string;
  /** The type's own name, below any domain: `int4`. */
  readonly baseType: string;
  /** pg_type.typcategory of the base type: `A` array, `C` composite, `R` range. */
  readonly category: string;
  /** False for a collation under which different texts are equal. */
  readonly deterministic: boolean;
  readonly generated: 'no' | 'stored' | 'virtual';
  readonly comment: string | null;
}

export interface TableMember {
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentityFull: boolean;
  readonly foreign: boolean;
  readonly unlogged: boolean;
}

/** All ordinary and partitioned tables outside PostgreSQL's and our own schemas, by name. */
export async function readUserTables(client: AdminClient): Promise<readonly UserTable[]> {
  return client.select<UserTable>(TABLES);
}

const BASE_TYPES = `
  WITH RECURSIVE base (oid, base) AS (
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT t.oid, b.base FROM pg_type t JOIN base b ON t.typbasetype = b.oid WHERE t.typtype = 'd'
  )`;

const COLUMNS = `
  SELECT json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'baseType', t.typname,
      'category', t.typcategory,
      'deterministic', coalesce(l.collisdeterministic, true),
      'generated', CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE 'no' END,
      'comment', col_description(a.attrelid, a.attnum)
    ) ORDER BY a.attnum)
  FROM pg_attribute a
  JOIN base b ON b.oid = a.atttypid
  JOIN pg_type t ON t.oid = b.base
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

const PRIMARY_KEY = `
  SELECT json_build_object(
      'columns', (SELECT json_agg(a.attname ORDER BY k.position)
        FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE k.position <= i.indnkeyatts),
      'constraint', n.relname,
      'deferrable', NOT i.indimmediate)
  FROM pg_index i JOIN pg_class n ON n.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid`;

// A trigger counts where it fires for ordinary sessions; those of constraints are PostgreSQL's own.
const TRIGGERS = `
  SELECT json_agg(g.tgname ORDER BY g.tgname) FROM pg_trigger g
  WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')`;

const FOREIGN_KEYS = `
  SELECT json_agg(f.conname ORDER BY f.conname) FROM pg_constraint f
  WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid) AND f.conparentid = 0`;

const MEMBERS = `
  SELECT json_agg(json_build_object(
      'schema', mn.nspname, 'name', m.relname, 'replicaIdentityFull', m.relreplident = 'f',
      'foreign', m.relkind = 'f', 'unlogged', m.relpersistence = 'u')
    ORDER BY m.oid <> c.oid, mn.nspname, m.relname)
  FROM (SELECT c.oid AS relid UNION SELECT p.relid::oid FROM pg_partition_tree(c.oid) p) tree
  JOIN pg_class m ON m.oid = tree.relid JOIN pg_namespace mn ON mn.oid = m.relnamespace`;

const TABLES = `${BASE_TYPES}
  SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name,
    CASE c.relkind WHEN 'p' THEN 'partitioned' ELSE 'ordinary' END AS kind,
    pg_get_userbyid(c.relowner) AS owner,
    obj_description(c.oid, 'pg_class') AS comment,
    pg_has_role(c.relowner, 'USAGE') AS owned,
    (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        AND d.refclassid = 'pg_extension'::regclass) AS extension,
    c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid)
      AS "inheritanceChildren",
    row_security_active(c.oid) AS "rowSecurityActive",
    coalesce((${TRIGGERS}), '[]') AS triggers,
    coalesce((${FOREIGN_KEYS}), '[]') AS "foreignKeys",
    (${PRIMARY_KEY}) AS "primaryKey",
    coalesce((${COLUMNS}), '[]') AS columns,
    coalesce((${MEMBERS}), '[]') AS members
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'everywrite')
  ORDER BY n.nspname, c.relname`;
