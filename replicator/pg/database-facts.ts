import { EverywriteError } from '#core/errors.ts';
import type { DatabaseClient } from './database-client.ts';
import { plain, prepared } from './sql-query.ts';

const ORIGIN_FILTER_VERSION = 160_000;
const INSUFFICIENT_PRIVILEGE = '42501';
const DUPLICATE_OBJECT = '42710';
const UNIQUE_VIOLATION = '23505';

/** What this server can do and this role may do. */
export interface DatabaseFacts {
  /** As `server_version_num`, for example 180004. */
  readonly serverVersion: number;
  /** The server filters by origin, and the role may set one up. */
  readonly originSupported: boolean;
  /** The role may apply with session_replication_role = replica. Else triggers and foreign keys fire. */
  readonly replicaRole: boolean;
}

/** Finds out by trying, and creates the replication origin where it can be used. */
export async function readFacts(client: DatabaseClient, origin: string): Promise<DatabaseFacts> {
  const version = await client.ask(prepared("SELECT current_setting('server_version_num')", []));
  const serverVersion = Number(version.rows[0]?.[0]);
  return {
    serverVersion,
    originSupported: serverVersion >= ORIGIN_FILTER_VERSION && (await originUsable(client, origin)),
    replicaRole: await maySetReplicaRole(client),
  };
}

const ORIGIN_RIGHTS = `
SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FILTER (WHERE p.proname LIKE '%session%'),
       bool_and(has_function_privilege(p.oid, 'EXECUTE')) FILTER (WHERE p.proname LIKE '%create'),
       EXISTS (SELECT FROM pg_replication_origin o WHERE o.roname = $1)
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN (
  'pg_replication_origin_session_setup', 'pg_replication_origin_session_reset',
  'pg_replication_origin_create')`;

async function originUsable(client: DatabaseClient, origin: string): Promise<boolean> {
  const answer = await client.ask(prepared(ORIGIN_RIGHTS, [origin]));
  const [maySetUp, mayCreate, exists] = answer.rows[0] ?? [];
  if (maySetUp !== 't') return false;
  if (exists === 't') return true;
  if (mayCreate !== 't') return false;
  try {
    await client.ask(prepared('SELECT pg_replication_origin_create($1)', [origin]));
  } catch (error) {
    // Another process of ours was faster.
    const states = [DUPLICATE_OBJECT, UNIQUE_VIOLATION];
    if (!(error instanceof EverywriteError && states.includes(error.sqlState ?? ''))) throw error;
  }
  return true;
}

async function maySetReplicaRole(client: DatabaseClient): Promise<boolean> {
  try {
    await client.ask(plain('SET session_replication_role = replica'));
    await client.ask(plain('RESET session_replication_role'));
    return true;
  } catch (error) {
    if (error instanceof EverywriteError && error.sqlState === INSUFFICIENT_PRIVILEGE) return false;
    throw error;
  }
}
