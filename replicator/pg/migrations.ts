import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EverywriteError } from '#core/errors.ts';
import { byCodeUnit } from '#core/version-vector.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';

const DIRECTORY = join(import.meta.dirname, 'sql');
const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/;
// Any constant, as long as it stays the same.
const ADVISORY_LOCK = 0x65766572;
const ADVISORY_LOCK_TIMEOUT_MS = 60_000;

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly path: string;
}

/** The versions this program knows, in order, without gaps. */
export async function migrations(): Promise<readonly Migration[]> {
  const names = (await readdir(DIRECTORY)).toSorted(byCodeUnit);
  return names.flatMap((fileName) => {
    const [, version, name] = FILE_NAME.exec(fileName) ?? [];
    if (version === undefined || name === undefined) return [];
    return [{ version: Number(version), name, path: join(DIRECTORY, fileName) }];
  });
}

/** The version of the `everywrite` schema in this database; 0 when there is none. */
export async function schemaVersion(client: AdminClient): Promise<number> {
  const [present] = await client.select<{ readonly present: boolean }>(
    "SELECT to_regclass('everywrite.migration') IS NOT NULL AS present",
  );
  if (present?.present !== true) return 0;
  const [row] = await client.select<{ readonly version: number }>(
    'SELECT coalesce(max(version), 0) AS version FROM everywrite.migration',
  );
  return row?.version ?? 0;
}

/** Keeps other inits of this database out until the session ends. */
export async function lockPreparation(client: AdminClient): Promise<void> {
  await client.execute(`SET lock_timeout = ${ADVISORY_LOCK_TIMEOUT_MS}`);
  await client.execute(`SELECT pg_advisory_lock(${ADVISORY_LOCK})`);
  await client.execute('RESET lock_timeout');
}

/** Brings the `everywrite` schema up to date, inside the caller's transaction. Returns what it ran. */
export async function migrate(client: AdminClient): Promise<readonly Migration[]> {
  const known = await migrations();
  const current = await schemaVersion(client);
  const newest = known.at(-1)?.version ?? 0;
  if (current > newest) {
    throw new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: `The everywrite schema has version ${current}, this program knows ${newest}; run the newer program.`,
    });
  }
  if (current === 0) await createSchema(client);
  const missing = known.filter((migration) => migration.version > current);
  for (const migration of missing) {
    await client.execute(await readFile(migration.path, 'utf8'));
    await client.execute(
      `INSERT INTO everywrite.migration (version, name) VALUES (${migration.version}, '${migration.name}')`,
    );
  }
  return missing;
}

async function createSchema(client: AdminClient): Promise<void> {
  await client.execute('CREATE SCHEMA IF NOT EXISTS everywrite');
  await client.execute('REVOKE ALL ON SCHEMA everywrite FROM PUBLIC');
  await client.execute(
    `CREATE TABLE everywrite.migration (
       version integer PRIMARY KEY, name text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())`,
  );
}
