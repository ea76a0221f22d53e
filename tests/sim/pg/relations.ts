import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';

const TEXT_OID = 25;

/** A relation as another region might describe it; the key comes first. */
export function relationOf(name: string, columns: readonly string[], keys = 1): Relation {
  return {
    schema: 'public',
    name,
    columns: columns.map((column) => ({ name: column, typeOid: TEXT_OID })),
    keyColumns: columns.slice(0, keys).map((_, at) => at),
  };
}

export function keyOf(...parts: readonly string[]): RowKey {
  return parts.join('\u0000') as RowKey;
}
