import type { ClusterConfig } from '#replicator/config.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import {
  VERSION_FAILOVER_SLOT,
  VERSION_MINIMUM,
  VERSION_ORIGIN_FILTER,
} from '#replicator/pg/server-facts.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';

/** In PostgreSQL's units: milliseconds, megabytes, seconds. Empty where this version has no such setting. */
type Settings = Readonly<Record<string, string | undefined>>;

const SETTINGS = [
  'wal_sender_timeout',
  'max_slot_wal_keep_size',
  'deadlock_timeout',
  'idle_replication_slot_timeout',
  'synchronous_standby_names',
  'synchronous_commit',
];

export function checkServer(facts: ServerFacts): readonly Check[] {
  return [version(facts), recovery(facts), walLevel(facts), walSenders(facts)];
}

/** Settings that are no obstacle today and may be one on a bad day. */
export async function checkSettings(
  client: AdminClient,
  config: ClusterConfig,
  facts: ServerFacts,
): Promise<readonly Check[]> {
  const rows = await client.select<{ readonly name: string; readonly setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY ($1)',
    [SETTINGS],
  );
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  return [
    walSenderTimeout(settings),
    slotWalKeepSize(settings),
    deadlockTimeout(settings, config.replication.lockTimeoutMs),
    ...idleSlotTimeout(settings),
    ...(await standbys(client, settings, config, facts)),
  ];
}

function version(facts: ServerFacts): Check {
  const id = 'server-version';
  const found = `PostgreSQL ${facts.versionText}`;
  if (facts.version < VERSION_MINIMUM) {
    return fail(id, found, 'upgrade to PostgreSQL 14 or newer; 16 or newer is recommended');
  }
  if (facts.version >= VERSION_ORIGIN_FILTER) return ok(id, found);
  const fix = 'upgrade to 16 or newer: until then capture reads what apply wrote, and drops it';
  return warn(id, `${found}, which cannot filter by origin`, fix);
}

function recovery(facts: ServerFacts): Check {
  if (!facts.inRecovery) return ok('primary', 'takes writes');
  return fail('primary', 'is a standby', "set the region's database url to the primary");
}

function walLevel(facts: ServerFacts): Check {
  const found = `wal_level = ${facts.walLevel}`;
  if (facts.walLevel === 'logical') return ok('wal-level', found);
  return fail('wal-level', found, "ALTER SYSTEM SET wal_level = 'logical'; and restart PostgreSQL");
}

function walSenders(facts: ServerFacts): Check {
  const found = `${facts.walSendersUsed} of ${facts.walSendersMax} walsenders in use`;
  if (facts.walSendersUsed < facts.walSendersMax) return ok('wal-senders', found);
  const fix = `ALTER SYSTEM SET max_wal_senders = ${facts.walSendersMax + 4}; and restart PostgreSQL`;
  return fail('wal-senders', found, fix);
}

function walSenderTimeout(settings: Settings): Check {
  const id = 'wal-sender-timeout';
  const timeoutMs = Number(settings['wal_sender_timeout']);
  if (timeoutMs > 0) return ok(id, `wal_sender_timeout = ${timeoutMs} ms`);
  const found = 'wal_sender_timeout = 0: a half-open connection would keep the slot busy for hours';
  return warn(id, found, "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();");
}

function slotWalKeepSize(settings: Settings): Check {
  const id = 'max-slot-wal-keep-size';
  const megabytes = Number(settings['max_slot_wal_keep_size']);
  if (megabytes >= 0) return ok(id, `max_slot_wal_keep_size = ${megabytes} MB`);
  const found = 'max_slot_wal_keep_size = -1: a stopped replicator would fill this disk with WAL';
  const fix =
    "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf(); with a size that your disk has";
  return warn(id, found, fix);
}

function deadlockTimeout(settings: Settings, lockTimeoutMs: number): Check {
  const id = 'deadlock-timeout';
  const timeoutMs = Number(settings['deadlock_timeout']);
  const found = `deadlock_timeout = ${timeoutMs} ms, replication.lockTimeoutMs = ${lockTimeoutMs}`;
  if (lockTimeoutMs < timeoutMs) return ok(id, found);
  const fix = `set replication.lockTimeoutMs below ${timeoutMs}, or the application and not apply is ended in a deadlock`;
  return fail(id, found, fix);
}

function idleSlotTimeout(settings: Settings): readonly Check[] {
  const seconds = Number(settings['idle_replication_slot_timeout'] ?? 0);
  if (seconds === 0) return [];
  const id = 'idle-slot-timeout';
  const found = `idle_replication_slot_timeout = ${seconds} s: a replicator that is stopped for longer loses its slot`;
  const fix = 'ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();';
  return [warn(id, found, fix)];
}

async function standbys(
  client: AdminClient,
  settings: Settings,
  config: ClusterConfig,
  facts: ServerFacts,
): Promise<readonly Check[]> {
  const id = 'standbys';
  const [row] = await client.select<{ readonly physical: number }>(
    "SELECT count(*)::int AS physical FROM pg_replication_slots WHERE slot_type = 'physical'",
  );
  const names = settings['synchronous_standby_names'] ?? '';
  const hasStandby = (row?.physical ?? 0) > 0 || names !== '';
  if (!hasStandby) {
    return [ok(id, `none known; synchronous_commit = ${settings['synchronous_commit']}`)];
  }
  const found = `there are standbys (synchronous: ${names === '' ? 'none' : names})`;
  if (config.replication.failoverSlot && facts.version >= VERSION_FAILOVER_SLOT) {
    return [ok(id, `${found}; the slot is a failover slot`)];
  }
  const fix =
    facts.version >= VERSION_FAILOVER_SLOT
      ? 'set replication.failoverSlot to true before init, and sync_replication_slots = on on the standby: else a promoted standby must join again'
      : 'PostgreSQL 17 or newer keeps the slot over a failover; here a promoted standby must join again';
  return [warn(id, found, fix)];
}
