import type { GraphQLObjectType } from 'graphql';
import { getNamedType } from 'graphql';
import type { Selected } from '#gateway/compile/selection.ts';
import { GatewayError } from '#gateway/errors.ts';
import { quoteName, quoteText } from '#gateway/pg/sql-text.ts';

/** PostgreSQL cuts longer names off. */
const NAME_BYTES_MAX = 63;
/** json_build_object takes 100 arguments. */
const BUILT_KEYS_MAX = 50;

export interface Member {
  readonly key: string;
  /** Its to_json is the member's value. */
  readonly sql: string;
}

/** `SELECT … ` of an object: an expression of type json. */
export function objectSql(members: readonly Member[]): string {
  const long = members.some(({ key }) => Buffer.byteLength(key) > NAME_BYTES_MAX);
  if (!long) return `(SELECT row_to_json(o) FROM (SELECT ${columnsSql(members)}) o)`;
  if (members.length > BUILT_KEYS_MAX) {
    const message = `An object with more than ${BUILT_KEYS_MAX} fields can have no name longer than ${NAME_BYTES_MAX} bytes; use shorter aliases.`;
    throw new GatewayError({ code: 'OPERATION_TOO_COMPLEX', message });
  }
  return `json_build_object(${members.map(({ key, sql }) => `${quoteText(key)}, ${sql}`).join(', ')})`;
}

function columnsSql(members: readonly Member[]): string {
  return members.map(({ key, sql }) => `${sql} AS ${quoteName(key)}`).join(', ');
}

/** The object type of a selected field. */
export function objectTypeOf(selected: Selected): GraphQLObjectType {
  return getNamedType(selected.field?.type) as GraphQLObjectType;
}

export function typeNameSql(selected: Selected): string {
  return `${quoteText(selected.parent.name)}::text`;
}

/** The only row of `from` as an object: what follows SELECT. */
export function rowJsonSql(members: readonly Member[], from: string): string {
  const long = members.some(({ key }) => Buffer.byteLength(key) > NAME_BYTES_MAX);
  if (long) return `${objectSql(members)} FROM ${from}`;
  return `row_to_json(o) FROM (SELECT ${columnsSql(members)} FROM ${from}) o`;
}

/** All rows of `from` (with its conditions, order and limit) as a JSON array. */
export function rowsJsonSql(members: readonly Member[], from: string): string {
  const long = members.some(({ key }) => Buffer.byteLength(key) > NAME_BYTES_MAX);
  if (long) {
    return `(SELECT coalesce(json_agg(l.o), '[]') FROM (SELECT ${objectSql(members)} AS o FROM ${from}) l)`;
  }
  return `(SELECT coalesce(json_agg(row_to_json(l)), '[]') FROM (SELECT ${columnsSql(members)} FROM ${from}) l)`;
}
