import { leafText } from '#gateway/compile/leaf-text.ts';
import type { EnumType, ValueType } from '#gateway/model/value-type.ts';
import { arrayText, quoteName, quoteText } from '#gateway/pg/sql-text.ts';

/** SQL whose to_json is the value as the schema promises it. */
export function jsonSql(type: ValueType, value: string): string {
  switch (type.kind) {
    case 'scalar':
      if (type.sqlForm === 'own') return value;
      if (type.sqlForm === 'text') return `${value}::text`;
      return `translate(encode(${value}, 'base64'), E'\\n', '')`;
    case 'enum':
      return enumSql(type, value);
    case 'composite': {
      const fields = type.attributes.map(({ name, column, type: inner }) => {
        return `${jsonSql(inner, `(${value}).${quoteName(column)}`)} AS ${quoteName(name)}`;
      });
      return `CASE WHEN ${value} IS DISTINCT FROM NULL THEN (SELECT row_to_json(c) FROM (SELECT ${fields.join(', ')}) c) END`;
    }
    case 'list':
      return listSql(type.element, value);
    default:
      return type satisfies never;
  }
}

function listSql(element: ValueType, value: string): string {
  if (element.kind === 'scalar' && element.sqlForm === 'own') return value;
  if (element.kind === 'scalar' && element.sqlForm === 'text') return `${value}::text[]`;
  if (element.kind === 'enum' && !renamed(element)) return `${value}::text[]`;
  return `CASE WHEN ${value} IS NOT NULL THEN (${eachSql(value, (item) => jsonSql(element, item))}) END`;
}

/** An array's elements as a JSON array. By subscript, because unnest spreads composites into columns. */
export function eachSql(value: string, json: (item: string) => string): string {
  return `SELECT coalesce(json_agg(${json(`(${value})[e.at]`)} ORDER BY e.at), '[]') FROM generate_subscripts(${value}, 1) e(at)`;
}

function renamed(type: EnumType): boolean {
  return type.values.some(({ name, label }) => name !== label);
}

function enumSql(type: EnumType, value: string): string {
  if (!renamed(type)) return value;
  const cases = type.values.map(
    ({ name, label }) => `WHEN ${quoteText(label)} THEN ${quoteText(name)}`,
  );
  return `CASE ${value}::text ${cases.join(' ')} END`;
}

/** A coerced input as the text of a parameter. */
export function textOf(type: ValueType, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  switch (type.kind) {
    case 'scalar':
    case 'enum':
      return leafText(value);
    case 'list': {
      const items = Array.isArray(value) ? (value as readonly unknown[]) : [value];
      return arrayText(items.map((item) => textOf(type.element, item)));
    }
    case 'composite': {
      const fields = value as Readonly<Record<string, unknown>>;
      return `(${type.attributes
        .map(({ name, type: inner }) => {
          const text = textOf(inner, fields[name]);
          return text === null ? '' : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '""')}"`;
        })
        .join(',')})`;
    }
    default:
      return type satisfies never;
  }
}

/** Whether Node can write the column's own text; else PostgreSQL makes JSON of it. */
export function writtenByNode(type: ValueType): boolean {
  if (type.kind === 'scalar') return type.sqlForm !== 'base64';
  return type.kind === 'enum' && !renamed(type);
}
