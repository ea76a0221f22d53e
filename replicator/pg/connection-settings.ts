import type { ClientConfig } from 'pg';

/**
 * What PostgreSQL prints depends on these. Two sessions that read the same row must read the same text,
 * or a value would look changed; and both must read it exactly (extra_float_digits).
 */
export const PINNED_SETTINGS = {
  DateStyle: 'ISO,MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  client_encoding: 'UTF8',
  // regclass and its like print a schema only where the path does not lead to it.
  search_path: 'pg_catalog',
} as const;

/**
 * Connection settings for a session whose text output we interpret, pinned through the startup `options`:
 * before any statement, and over the role's and the database's own. The url's `options` are kept in
 * front, where ours override them: in pg, what stands in the url would win over everything beside it.
 */
export function pinnedConnection(
  url: string,
  applicationName: string,
  more: Readonly<Record<string, string>> = {},
): ClientConfig {
  const parsed = new URL(url);
  const own = parsed.searchParams.get('options');
  for (const name of ['options', 'application_name', 'client_encoding', 'replication']) {
    parsed.searchParams.delete(name);
  }
  const pinned = Object.entries({ ...PINNED_SETTINGS, ...more }).map(([n, v]) => `-c ${n}=${v}`);
  return {
    connectionString: parsed.href,
    application_name: applicationName,
    options: [...(own === null ? [] : [own]), ...pinned].join(' '),
  };
}
