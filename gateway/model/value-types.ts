import type { Catalogue, CatalogueType } from '#gateway/catalogue/catalogue.ts';
import { omits, parseSmartComment, tagOf } from '#gateway/catalogue/smart-comment.ts';
import type { FilterFamily, ScalarType, TextForm, ValueType } from '#gateway/model/value-type.ts';
import { camel, enumValueName, pascal, qualified } from '#gateway/naming/names.ts';
import { qualifiedName } from '#gateway/pg/sql-text.ts';

type Known = readonly [
  name: string,
  form: TextForm,
  sqlForm: ScalarType['sqlForm'],
  family?: ScalarType['family'],
];

/** The types of PostgreSQL that GraphQL has a name for. All others keep their own name and text form. */
const KNOWN: Readonly<Record<string, Known>> = {
  int2: ['Int', 'number', 'own', 'integer'],
  int4: ['Int', 'number', 'own', 'integer'],
  int8: ['BigInt', 'plain', 'text', 'bigint'],
  numeric: ['Decimal', 'plain', 'text', 'decimal'],
  float4: ['Float', 'float', 'own', 'float'],
  float8: ['Float', 'float', 'own', 'float'],
  bool: ['Boolean', 'boolean', 'own'],
  text: ['String', 'text', 'own'],
  varchar: ['String', 'text', 'own'],
  bpchar: ['String', 'text', 'own'],
  name: ['String', 'text', 'own'],
  citext: ['String', 'text', 'text'],
  uuid: ['UUID', 'plain', 'own'],
  json: ['JSON', 'json', 'own'],
  jsonb: ['JSON', 'json', 'own'],
  timestamptz: ['DateTime', 'timestamp', 'own'],
  timestamp: ['LocalDateTime', 'timestamp', 'own'],
  date: ['Date', 'plain', 'own'],
  time: ['Time', 'plain', 'own'],
  timetz: ['TimeTz', 'plain', 'own'],
  interval: ['Interval', 'plain', 'own'],
  bytea: ['Bytes', 'plain', 'base64'],
};

const TEXT_LIKE = new Set(['text', 'varchar', 'bpchar', 'name', 'citext']);

/** Makes value types of PostgreSQL's types, each once; null for what cannot be served (pseudo types). */
export class ValueTypes {
  readonly #catalogue: Catalogue;
  readonly #made = new Map<string, ValueType | null>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  of(oid: string): ValueType | null {
    const made = this.#made.get(oid);
    if (made !== undefined) return made;
    const type = this.#catalogue.types.get(oid);
    // A composite may hold an array of itself; GraphQL could say so, SQL text cannot be finite.
    this.#made.set(oid, null);
    const value = type === undefined ? null : this.#make(type);
    this.#made.set(oid, value);
    return value;
  }

  #make(type: CatalogueType): ValueType | null {
    if (type.element !== null && type.kind === 'base') return this.#list(type, type.element);
    switch (type.kind) {
      case 'pseudo':
        return null;
      case 'domain':
        return this.#domain(type);
      case 'enum':
        return enumType(type);
      case 'composite':
        return this.#composite(type);
      case 'range':
      case 'multirange':
        return scalarType(type, 'range');
      case 'base':
        return scalarType(type, 'plain');
      default:
        return type.kind satisfies never;
    }
  }

  #list(type: CatalogueType, element: string): ValueType | null {
    const inner = this.of(element);
    if (inner === null || inner.kind === 'list') return null;
    const { name } = inner;
    const sqlType = qualifiedName(type.schema, type.name);
    return {
      kind: 'list',
      name,
      sqlType,
      ordered: false,
      filter: 'array',
      form: 'json',
      element: inner,
    };
  }

  #domain(type: CatalogueType): ValueType | null {
    const base = type.base === null ? null : this.of(type.base);
    if (base === null) return null;
    return { ...base, sqlType: qualifiedName(type.schema, type.name) };
  }

  #composite(type: CatalogueType): ValueType | null {
    const comment = parseSmartComment(type.comment);
    if (omits(comment, 'read')) return null;
    const attributes = type.attributes.flatMap(({ name, type: oid }) => {
      const inner = this.of(oid);
      return inner === null ? [] : [{ name: camel(name), column: name, type: inner }];
    });
    if (attributes.length === 0) return null;
    return {
      kind: 'composite',
      name: tagOf(comment, 'name') ?? pascal(qualified(type.schema, type.name)),
      description: comment.description,
      sqlType: qualifiedName(type.schema, type.name),
      ordered: false,
      filter: 'none',
      form: 'json',
      attributes,
    };
  }
}

function scalarType(type: CatalogueType, fallback: FilterFamily): ScalarType {
  const known =
    type.schema === 'pg_catalog' || type.name === 'citext' ? KNOWN[type.name] : undefined;
  const [name, form, sqlForm, family] = known ?? [
    pascal(type.schema === 'pg_catalog' ? type.name : qualified(type.schema, type.name)),
    'text',
    'text',
  ];
  return {
    kind: 'scalar',
    name,
    sqlType: qualifiedName(type.schema, type.name),
    ordered: type.ordered,
    filter: filterFamily(type, fallback),
    form,
    sqlForm,
    family: family ?? 'other',
  };
}

function filterFamily(type: CatalogueType, fallback: FilterFamily): FilterFamily {
  if (TEXT_LIKE.has(type.name)) return 'text';
  if (type.name === 'jsonb') return 'jsonb';
  if (fallback === 'range') return 'range';
  return type.ordered ? fallback : 'none';
}

function enumType(type: CatalogueType): ValueType {
  const comment = parseSmartComment(type.comment);
  const values = type.labels.map((label) => ({ name: enumValueName(label), label }));
  const sqlType = qualifiedName(type.schema, type.name);
  const name = tagOf(comment, 'name') ?? pascal(qualified(type.schema, type.name));
  // Two labels that GraphQL would spell alike: then the type is a text of its own.
  if (values.length === 0 || new Set(values.map((value) => value.name)).size < values.length) {
    return {
      kind: 'scalar',
      name,
      sqlType,
      ordered: true,
      filter: 'plain',
      form: 'text',
      sqlForm: 'text',
      family: 'other',
    };
  }
  return {
    kind: 'enum',
    name,
    description: comment.description,
    values,
    sqlType,
    ordered: true,
    filter: 'plain',
    form: 'text',
  };
}
