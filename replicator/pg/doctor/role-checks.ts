import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { relationId } from '#core/relation.ts';
import type { ClusterConfig } from '#replicator/config.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { quoteIdentifier } from '#replicator/pg/quote.ts';
import { VERSION_ORIGIN_FILTER } from '#replicator/pg/server-facts.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';
import type { UserTable } from '#replicator/pg/user-tables.ts';

const ORIGIN_FUNCTIONS = [
  'pg_replication_origin_create',
  'pg_replication_origin_session_setup',
  'pg_replication_origin_session_reset',
];

export async function checkRole(
  client: AdminClient,
  config: ClusterConfig,
  facts: ServerFacts,
): Promise<readonly Check[]> {
  return [
    replicate(facts),
    create(facts),
    await emitMessage(client, facts),
    await originFunctions(client, config, facts),
  ];
}

/** Whether triggers and foreign keys would act a second time on what apply writes. */
export async function checkReplicaRole(
  client: AdminClient,
  facts: ServerFacts,
  tables: readonly UserTable[],
): Promise<Check> {
  const id = 'session-replication-role';
  if (await maySilenceTriggers(client)) {
    return ok(id, 'apply can silence triggers and foreign keys');
  }
  const noisy = tables.filter((table) => table.triggers.length + table.foreignKeys.length > 0);
  const grant = `GRANT SET ON PARAMETER session_replication_role TO ${quoteIdentifier(facts.role)};`;
  const fix =
    facts.version >= 150_000
      ? `as a superuser: ${grant}`
      : 'before PostgreSQL 15 only a superuser may set it: run Everywrite as one, or upgrade';
  if (noisy.length === 0) {
    return warn(id, `role ${facts.role} may not set session_replication_role`, fix);
  }
  const names = noisy.map((table) => relationId(table)).join(', ');
  const found = `role ${facts.role} may not set session_replication_role, and triggers or foreign keys of ${names} would fire again for replicated rows`;
  return fail(id, found, fix);
}

function replicate(facts: ServerFacts): Check {
  const id = 'role-replication';
  if (facts.canReplicate) return ok(id, `role ${facts.role} may replicate`);
  const fix = `as a superuser: ALTER ROLE ${quoteIdentifier(facts.role)} REPLICATION;`;
  return fail(id, `role ${facts.role} may not replicate`, fix);
}

function create(facts: ServerFacts): Check {
  const id = 'role-create';
  if (facts.canCreate) return ok(id, `role ${facts.role} may create schemas and publications`);
  const fix = `GRANT CREATE ON DATABASE ${quoteIdentifier(facts.database)} TO ${quoteIdentifier(facts.role)};`;
  return fail(id, `role ${facts.role} may not create a schema or a publication`, fix);
}

interface Executable {
  readonly signature: string;
  readonly allowed: boolean;
}

async function executable(
  client: AdminClient,
  names: readonly string[],
): Promise<readonly Executable[]> {
  return client.select<Executable>(
    `SELECT p.oid::regprocedure::text AS signature, has_function_privilege(p.oid, 'EXECUTE') AS allowed
     FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY ($1)
     ORDER BY 1`,
    [names],
  );
}

function grants(missing: readonly Executable[], role: string): string {
  const statements = missing.map(
    ({ signature }) => `GRANT EXECUTE ON FUNCTION ${signature} TO ${quoteIdentifier(role)};`,
  );
  return `as a superuser: ${statements.join(' ')}`;
}

async function emitMessage(client: AdminClient, facts: ServerFacts): Promise<Check> {
  const id = 'role-emit-message';
  const functions = await executable(client, ['pg_logical_emit_message']);
  const missing = functions.filter(({ allowed }) => !allowed);
  if (missing.length === 0) return ok(id, 'may emit logical messages (heartbeats, marks)');
  return fail(id, 'may not emit logical messages', grants(missing, facts.role));
}

async function originFunctions(
  client: AdminClient,
  config: ClusterConfig,
  facts: ServerFacts,
): Promise<Check> {
  const id = 'role-origin';
  if (config.replication.origin === 'marker') {
    return ok(id, 'not needed: replication.origin is "marker"');
  }
  if (facts.version < VERSION_ORIGIN_FILTER) return ok(id, 'not needed before PostgreSQL 16');
  const functions = await executable(client, ORIGIN_FUNCTIONS);
  const missing = functions.filter(({ allowed }) => !allowed);
  if (missing.length === 0) return ok(id, 'may use replication origins');
  const found = 'may not use replication origins: the server sends us back what apply wrote';
  return warn(id, found, grants(missing, facts.role));
}

async function maySilenceTriggers(client: AdminClient): Promise<boolean> {
  try {
    await client.execute('SET session_replication_role = replica');
    await client.execute('RESET session_replication_role');
    return true;
  } catch (error) {
    if (error instanceof EverywriteError && error.sqlState === '42501') return false;
    throw error;
  }
}

/** A walsender session: shows pg_hba.conf's rules for replication, and poolers, which cannot do it. */
export async function checkWalsender(
  open: () => Promise<AdminClient>,
  facts: ServerFacts,
): Promise<Check> {
  const id = 'walsender';
  const fix =
    'let pg_hba.conf accept this user and host for this database, and connect to PostgreSQL itself, not to a pooler';
  let client: AdminClient;
  try {
    client = await open();
  } catch (error) {
    return fail(id, `no walsender session: ${error instanceof Error ? error.message : ''}`, fix);
  }
  try {
    const [system] = await client.command('IDENTIFY_SYSTEM');
    const { systemid } = must(system, 'IDENTIFY_SYSTEM');
    if (systemid === facts.systemIdentifier) return ok(id, 'answers on a direct connection');
    return fail(id, 'SQL and replication reach different servers', fix);
  } catch (error) {
    return fail(id, `no answer: ${error instanceof Error ? error.message : ''}`, fix);
  } finally {
    await client.close();
  }
}
