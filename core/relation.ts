import { byCodeUnit } from '#core/version-vector.ts';

/** A value as PostgreSQL prints it; never a JavaScript number or date, which lose digits. */
export type PgText = string | null;

export interface Column {
  readonly name: string;
  /** pg_type OID in the region where this relation was described; used only for key canonicalisation. */
  readonly typeOid: number;
  /** How the origin merges it (core/column-type-text.ts); `lww` when left out. */
  readonly type?: string;
}

/**
 * Which of a deletion and a concurrent insert or update of a row stands: the later one (when left out),
 * or always the one that is named.
 */
export const ROW_POLICIES = ['lww', 'add-wins', 'delete-wins'] as const;
export type RowPolicy = (typeof ROW_POLICIES)[number];

/** A table as one transaction's changes describe it. Names, not OIDs: those differ between regions. */
export interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Positions in `columns` that identify a row, in key order. */
  readonly keyColumns: readonly number[];
  /** `lww` when left out. */
  readonly rows?: RowPolicy;
}

// Asked for every operation; relations live as long as the frame or stream that described them.
const ids = new WeakMap<object, string>();

/** `schema.name`, the identity of a table across regions. */
export function relationId(relation: { readonly schema: string; readonly name: string }): string {
  let id = ids.get(relation);
  if (id === undefined) ids.set(relation, (id = `${relation.schema}.${relation.name}`));
  return id;
}

export function compareRelations(left: Relation, right: Relation): number {
  return byCodeUnit(relationId(left), relationId(right));
}
