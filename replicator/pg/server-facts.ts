import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';

export const VERSION_MINIMUM = 140_000;
/** `origin = none`: the server itself leaves out what apply wrote. */
export const VERSION_ORIGIN_FILTER = 160_000;
export const VERSION_FAILOVER_SLOT = 170_000;
export const VERSION_GENERATED_COLUMNS = 180_000;

/** What one look at a server and our role in it tells. */
export interface ServerFacts {
  /** `180004` for 18.4. */
  readonly version: number;
  readonly versionText: string;
  readonly database: string;
  readonly inRecovery: boolean;
  readonly walLevel: string;
  readonly slotsMax: number;
  readonly slotsUsed: number;
  readonly walSendersMax: number;
  readonly walSendersUsed: number;
  readonly role: string;
  readonly superuser: boolean;
  readonly canReplicate: boolean;
  readonly canCreate: boolean;
  readonly systemIdentifier: string;
  /** Null on a standby, which writes no WAL of its own. */
  readonly timeline: number | null;
}

export async function readServerFacts(client: AdminClient): Promise<ServerFacts> {
  const [facts] = await client.select<ServerFacts>(FACTS);
  return must(facts, 'server facts');
}

// The timeline of the WAL being written: pg_control_checkpoint() lags behind a promotion.
const FACTS = `
  SELECT current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS "versionText",
    current_database() AS database,
    pg_is_in_recovery() AS "inRecovery",
    current_setting('wal_level') AS "walLevel",
    current_setting('max_replication_slots')::int AS "slotsMax",
    (SELECT count(*)::int FROM pg_replication_slots) AS "slotsUsed",
    current_setting('max_wal_senders')::int AS "walSendersMax",
    (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'walsender')
      AS "walSendersUsed",
    r.rolname AS role,
    r.rolsuper AS superuser,
    r.rolreplication OR r.rolsuper AS "canReplicate",
    has_database_privilege(current_database(), 'CREATE') AS "canCreate",
    (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
    CASE WHEN NOT pg_is_in_recovery() THEN
      ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline
  FROM pg_roles r WHERE r.rolname = current_user`;

/** What one region's database must offer before anything is changed in it. */
export function requireServer(facts: ServerFacts): void {
  if (facts.version < VERSION_MINIMUM) {
    throw refusal(
      'DATABASE_NOT_PREPARED',
      `PostgreSQL ${facts.versionText} is too old; Everywrite needs 14 or newer, and recommends 16 or newer.`,
    );
  }
  if (facts.inRecovery) {
    throw refusal(
      'DATABASE_NOT_PREPARED',
      'This server is a standby; connect to the primary of the region.',
    );
  }
  if (facts.walLevel !== 'logical') {
    throw refusal(
      'WAL_LEVEL',
      `wal_level is "${facts.walLevel}", so the WAL does not say what changed; run ALTER SYSTEM SET wal_level = 'logical'; and restart PostgreSQL.`,
    );
  }
  const role = `"${facts.role.replaceAll('"', '""')}"`;
  const missing = [
    ...(facts.canReplicate ? [] : [`ALTER ROLE ${role} REPLICATION;`]),
    ...(facts.canCreate
      ? []
      : [`GRANT CREATE ON DATABASE "${facts.database.replaceAll('"', '""')}" TO ${role};`]),
  ];
  if (missing.length > 0) {
    throw refusal(
      'PRIVILEGE_MISSING',
      `Role ${facts.role} lacks rights; as a superuser run: ${missing.join(' ')}`,
    );
  }
}

function refusal(
  code: 'DATABASE_NOT_PREPARED' | 'WAL_LEVEL' | 'PRIVILEGE_MISSING',
  message: string,
): EverywriteError {
  return new EverywriteError({ code, recovery: 'operator', message });
}
