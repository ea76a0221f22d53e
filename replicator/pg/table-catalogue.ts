import { must } from '#core/assert.ts';
import { relationId } from '#core/relation.ts';
import type { Relation } from '#core/relation.ts';
import type { LocalTable } from '#replicator/engine/database-port.ts';
import { parseReferencingKey, referencingKeyQuery } from './referencing-keys.ts';
import { prepared, quoteIdentifier } from './sql-query.ts';
import type { Answer, Query } from './sql-query.ts';
import type { ColumnShape, TableShape } from './table-shape.ts';
import { generatedColumnQuery, parseUniqueIndex, uniqueIndexQuery } from './unique-indexes.ts';

/** How the catalogue asks: on a connection that is not inside the transaction of a flight. */
export type Ask = (query: Query) => Promise<Answer>;

/** The tables of this region as they are now, looked up once and kept until `forget`. */
export class Catalogue {
  readonly #ask: Ask;
  readonly #serverVersion: number;
  // Bounded by the number of replicated tables.
  #shapes = new Map<string, TableShape | null>();

  constructor(ask: Ask, serverVersion: number) {
    this.#ask = ask;
    this.#serverVersion = serverVersion;
  }

  /** What is known without asking: undefined when it was not looked up yet, null when there is none. */
  known(relation: Relation): TableShape | null | undefined {
    return this.#shapes.get(relationId(relation));
  }

  async shape(relation: Relation): Promise<TableShape | null> {
    const known = this.known(relation);
    if (known !== undefined) return known;
    const shapes = this.#shapes;
    const shape = await this.#read(relation);
    // Into the map of before the question: an answer older than a `forget` must not outlive it.
    shapes.set(relationId(relation), shape);
    return shape;
  }

  forget(): void {
    this.#shapes = new Map();
  }

  async #read(relation: Relation): Promise<TableShape | null> {
    const name = [relation.schema, relation.name];
    const [columns, sets, indexes, generated, referencing] = await Promise.all([
      this.#ask(prepared(COLUMNS, name)),
      this.#ask(prepared(UNIQUE_SETS, name)),
      this.#ask(uniqueIndexQuery(relation, this.#serverVersion)),
      this.#ask(generatedColumnQuery(relation)),
      this.#ask(referencingKeyQuery(relation)),
    ]);
    if (columns.rows.length === 0) return null;
    const shapes = columns.rows.map(columnShape);
    return {
      sqlName: `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.name)}`,
      columns: new Map(shapes.map((shape) => [shape.name, shape])),
      uniqueSets: sets.rows.map(([names]) => new Set(JSON.parse(names ?? '[]') as string[])),
      uniqueIndexes: indexes.rows.map(([index]) => parseUniqueIndex(must(index, 'index'))),
      referencedBy: referencing.rows.map(([key]) => parseReferencingKey(must(key, 'foreign key'))),
      generated: generated.rows.map(([column, expression]) => ({
        name: must(column, 'generated column'),
        expression: must(expression, 'expression'),
      })),
    };
  }
}

/** The part of a shape that the engine decides with. */
export function localTable(relation: Relation, shape: TableShape): LocalTable {
  const key = new Set(
    relation.keyColumns.map((position) => relation.columns[position]?.name ?? ''),
  );
  const others = shape.uniqueSets.filter((names) => key.symmetricDifference(names).size > 0);
  return {
    columns: [...shape.columns.values()].filter((c) => !c.generated).map((c) => c.name),
    uniqueColumns: new Set(others.flatMap((names) => [...names])),
    referenced: shape.referencedBy.length > 0,
    unchecked: new Set(
      shape.uniqueIndexes.filter((i) => i.deferrable).flatMap(({ columns }) => columns),
    ),
  };
}

// The type without modifier (-1): NULL instead would print bpchar as `character`, which is char(1).
// An array type can carry values through unnest only if its literals are separated by commas (box has
// semicolons) and its elements are not spread into columns (composites). True arrays have no array
// type of their own. The equality is that of an index on the column: citext's lives outside pg_catalog.
const COLUMNS = `
SELECT a.attname, format_type(a.atttypid, -1),
       CASE WHEN y.typarray <> 0 AND y.typdelim = ',' AND base.typtype <> 'c'
            THEN format_type(y.typarray, -1) END,
       a.attgenerated <> '', base.oid IN (20, 21, 23), equality.nspname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid
CROSS JOIN LATERAL (
  WITH RECURSIVE up AS (
    SELECT y.oid, y.typtype, y.typbasetype
    UNION ALL
    SELECT p.oid, p.typtype, p.typbasetype
    FROM up JOIN pg_type p ON p.oid = up.typbasetype WHERE up.typtype = 'd'
  )
  SELECT up.oid, up.typtype FROM up WHERE up.typtype <> 'd'
) base
LEFT JOIN LATERAL (
  SELECT s.nspname
  FROM pg_index x
  CROSS JOIN unnest(x.indkey::int2[], x.indclass::oid[]) AS part(attnum, opclass)
  JOIN pg_opclass k ON k.oid = part.opclass
  JOIN pg_am m ON m.oid = k.opcmethod AND m.amname = 'btree'
  JOIN pg_amop f ON f.amopfamily = k.opcfamily AND f.amopstrategy = 3
       AND f.amoplefttype = k.opcintype AND f.amoprighttype = k.opcintype
  JOIN pg_operator o ON o.oid = f.amopopr AND o.oprname = '='
  JOIN pg_namespace s ON s.oid = o.oprnamespace
  WHERE x.indrelid = c.oid AND x.indisunique AND part.attnum = a.attnum
  ORDER BY x.indisprimary DESC LIMIT 1
) equality ON true
WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p')
ORDER BY a.attnum`;

// Columns inside an index expression or predicate are known by their dependencies only.
const UNIQUE_SETS = `
SELECT json_agg(DISTINCT a.attname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid AND (x.indisunique OR x.indisexclusion)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  AND (a.attnum = ANY((x.indkey::int2[])[0:x.indnkeyatts - 1]) OR EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))
WHERE n.nspname = $1::text AND c.relname = $2::text
GROUP BY x.indexrelid`;

function columnShape(row: readonly (string | null)[]): ColumnShape {
  const [name, type, arrayType, generated, integer, equality] = row;
  const foreign = equality !== null && equality !== undefined && equality !== 'pg_catalog';
  return {
    name: must(name, 'column name'),
    type: must(type, 'column type'),
    arrayType: arrayType ?? null,
    generated: generated === 't',
    integer: integer === 't',
    equals: foreign ? `OPERATOR(${quoteIdentifier(equality)}.=)` : '=',
  };
}
