/** One statement as it goes over the wire; every value is text. */
export interface Sql {
  readonly text: string;
  readonly values: readonly (string | null)[];
}

/** A row as the server sent it: one text per column. */
export type Row = readonly (string | null)[];
export type Rows = readonly Row[];

/** An identifier, quoted always: the safest form is also the only one with no exceptions. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function qualifiedName(schema: string, name: string): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** A literal. The E form means the same whatever standard_conforming_strings says. */
export function quoteText(text: string): string {
  if (!/['\\]/.test(text)) return `'${text}'`;
  return ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** An array's text form, for values that are texts already. */
export function arrayText(values: readonly (string | null)[]): string {
  const parts = values.map((value) => {
    if (value === null) return 'NULL';
    return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${parts.join(',')}}`;
}
