import type { TextForm } from '#gateway/model/value-type.ts';
import type { Row } from '#gateway/pg/sql-text.ts';

/** Anything below a space, a quote or a backslash. */
const ESCAPED = /[^ !#-[\]-\u{10ffff}]/u;

/** A column's text as JSON. PostgreSQL's to_json writes the same (tests/gateway/scalars.pg.test.ts). */
export function textJson(form: TextForm, text: string | null): string {
  if (text === null) return 'null';
  switch (form) {
    case 'number':
    case 'json':
      return text;
    case 'float':
      return text === 'NaN' || text.endsWith('y') ? `"${text}"` : text;
    case 'boolean':
      return text === 't' ? 'true' : 'false';
    case 'plain':
      return `"${text}"`;
    case 'text':
      return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
    case 'timestamp':
      return `"${isoTimestamp(text)}"`;
    default:
      return form satisfies never;
  }
}

/** `2026-01-02 03:04:05.6+00` → `2026-01-02T03:04:05.6+00:00`; infinity stays. */
function isoTimestamp(text: string): string {
  const space = text.indexOf(' ');
  if (space < 0) return text;
  const iso = `${text.slice(0, space)}T${text.slice(space + 1)}`;
  return iso.replace(/([+-]\d\d)(?= BC$|$)/, '$1:00');
}

/** Where a value of an object comes from: a column of the row, or always the same text. */
export type ObjectPart =
  | { readonly key: string; readonly kind: 'column'; readonly at: number; readonly form: TextForm }
  | { readonly key: string; readonly kind: 'constant'; readonly json: string }
  | { readonly key: string; readonly kind: 'written'; readonly write: WriteRow };

export type WriteRow = (row: Row) => string;

/** Writes an object's JSON out of a row; everything that is the same for all rows is made once. */
export function objectWriter(parts: readonly ObjectPart[]): WriteRow {
  const steps = parts.map((part, at) => {
    const before = `${at === 0 ? '{' : ','}${JSON.stringify(part.key)}:`;
    switch (part.kind) {
      case 'constant': {
        const text = before + part.json;
        return (): string => text;
      }
      case 'column': {
        const { at: column, form } = part;
        return (row: Row): string => before + textJson(form, row[column] ?? null);
      }
      case 'written':
        return (row: Row): string => before + part.write(row);
      default:
        return part satisfies never;
    }
  });
  return (row) => {
    let json = '';
    for (const step of steps) json += step(row);
    return `${json}}`;
  };
}
