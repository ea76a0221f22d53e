import type { PgText } from '#core/relation.ts';
import { arrayLiteral } from './sql-array.ts';
import { prepared } from './sql-query.ts';
import type { Query } from './sql-query.ts';

/**
 * The parameters of one set-based statement: scalars, and the arrays that `unnest` turns into the
 * rows of `u`. One literal per column and batch, so that a batch of any size has the same text.
 */
export class SqlParameters {
  readonly #values: (string | null)[] = [];
  readonly #arrays: string[] = [];

  /** A scalar; returns the SQL that names it. */
  scalar(value: PgText, type: string): string {
    this.#values.push(value);
    return `$${this.#values.length}::${type}`;
  }

  /** A column of `u`; returns the SQL that names it. */
  column(elements: readonly PgText[], arrayType: string): string {
    this.#arrays.push(this.scalar(arrayLiteral(elements), arrayType));
    return `u.c${this.#arrays.length}`;
  }

  /** The FROM item. */
  source(): string {
    const names = this.#arrays.map((_, at) => `c${at + 1}`);
    return `unnest(${this.#arrays.join(', ')}) AS u(${names.join(', ')})`;
  }

  /** The FROM item with each row's number, from 1, as `u.row`. */
  numberedSource(): string {
    const names = this.#arrays.map((_, at) => `c${at + 1}`);
    return `unnest(${this.#arrays.join(', ')}) WITH ORDINALITY AS u(${names.join(', ')}, row)`;
  }

  query(text: string): Query {
    return prepared(text, this.#values);
  }
}
