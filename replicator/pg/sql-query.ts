import type { StatementResult } from '#replicator/engine/statement.ts';

/** One SQL statement as it goes over the wire. All values are text: nothing is lost in conversion. */
export interface Query {
  readonly text: string;
  /** Absent: the simple protocol, which several statements in one text need. */
  readonly values?: readonly (string | null)[];
  /** Worth preparing: the text repeats from batch to batch. */
  readonly prepared: boolean;
}

/** What the server said, unparsed. */
export interface Answer {
  /** Command tag, such as `UPDATE` or `COMMIT`. */
  readonly command: string;
  readonly count: number;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** A Statement as SQL: what to send, and how to read the answers. */
export interface Rendered {
  readonly queries: readonly Query[];
  readonly read: (answers: readonly Answer[]) => StatementResult;
}

/** SQL without parameters; may hold several statements, then the last one answers. */
export function plain(text: string): Query {
  return { text, prepared: false };
}

/** SQL whose text repeats; the connection prepares it once. */
export function prepared(text: string, values: readonly (string | null)[]): Query {
  return { text, values, prepared: true };
}

export function done(...queries: readonly Query[]): Rendered {
  return { queries, read: () => ({ kind: 'done' }) };
}

/** The number of rows that the query changed (or returned). */
export function counted(query: Query): Rendered {
  return {
    queries: [query],
    read: ([answer]) => ({ kind: 'count', count: answer?.count ?? 0 }),
  };
}

/** An identifier, quoted always: the safest form is also the only one with no exceptions. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A literal for the simple protocol. The E form means the same whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  return ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
