import { must } from '#core/assert.ts';
import type { PgText, Relation } from '#core/relation.ts';

declare const keyTag: unique symbol;

/** A row's key in canonical form: two texts that PostgreSQL holds equal give one RowKey. */
export type RowKey = string & { readonly [keyTag]: true };

const NUMERIC_OID = 1700;
const BPCHAR_OID = 1042;
const FLOAT4_OID = 700;
const FLOAT8_OID = 701;
// PostgreSQL text cannot contain U+0000, so it separates key parts without escaping.
const SEPARATOR = '\u0000';

/** The key of a full tuple. */
export function rowKey(relation: Relation, values: readonly PgText[]): RowKey {
  const [only] = relation.keyColumns;
  if (relation.keyColumns.length === 1 && only !== undefined) {
    return canonical(must(relation.columns[only], 'key column').typeOid, values[only]) as RowKey;
  }
  const parts = relation.keyColumns.map((position) =>
    canonical(must(relation.columns[position], 'key column').typeOid, values[position]),
  );
  return parts.join(SEPARATOR) as RowKey;
}

/** The key's parts in key order, as text PostgreSQL accepts for the key columns. */
export function keyParts(key: RowKey): readonly string[] {
  return key.split(SEPARATOR);
}

function canonical(typeOid: number, value: PgText | undefined): string {
  const text = must(value, 'key value');
  switch (typeOid) {
    case NUMERIC_OID:
      return canonicalNumeric(text);
    case BPCHAR_OID:
      return text.replace(/ +$/, '');
    case FLOAT4_OID:
    case FLOAT8_OID:
      return text === '-0' ? '0' : text;
    default:
      return text;
  }
}

// numeric 1.0 and 1.00 are one key; to_char-style zeros carry no information.
function canonicalNumeric(text: string): string {
  const trimmed = text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
  return trimmed === '-0' ? '0' : trimmed;
}
