/** How Node writes a column's text form as JSON. */
export type TextForm =
  /** Digits that are JSON as they stand. */
  | 'number'
  /** A double: JSON unless it is NaN or infinite, which become texts. */
  | 'float'
  | 'boolean'
  /** Has no sign that JSON would escape. */
  | 'plain'
  | 'text'
  /** `2026-01-02 03:04:05+00`: ISO 8601 needs its T and its minutes. */
  | 'timestamp'
  /** JSON already. */
  | 'json';

/** What can be asked of a value in a filter. */
export type FilterFamily = 'plain' | 'text' | 'jsonb' | 'range' | 'array' | 'none';

interface ValueTypeBase {
  /** The GraphQL type's name (of the element, for a list). */
  readonly name: string;
  /** For a cast: `"pg_catalog"."int4"`. */
  readonly sqlType: string;
  readonly ordered: boolean;
  readonly filter: FilterFamily;
  readonly form: TextForm;
}

export interface ScalarType extends ValueTypeBase {
  readonly kind: 'scalar';
  /** Its JSON in PostgreSQL: as to_json has it, as its text, or as base64. */
  readonly sqlForm: 'own' | 'text' | 'base64';
  readonly family: 'integer' | 'bigint' | 'decimal' | 'float' | 'other';
}

export interface EnumType extends ValueTypeBase {
  readonly kind: 'enum';
  readonly description: string | null;
  /** GraphQL's name and PostgreSQL's label of each value. */
  readonly values: readonly { readonly name: string; readonly label: string }[];
}

export interface ListType extends ValueTypeBase {
  readonly kind: 'list';
  readonly element: ValueType;
}

export interface CompositeType extends ValueTypeBase {
  readonly kind: 'composite';
  readonly description: string | null;
  readonly attributes: readonly {
    readonly name: string;
    readonly column: string;
    readonly type: ValueType;
  }[];
}

export type ValueType = ScalarType | EnumType | ListType | CompositeType;
