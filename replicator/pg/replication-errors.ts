import { EverywriteError } from '#core/errors.ts';
import type { ErrorCode, Recovery } from '#core/errors.ts';
import { serverOf, withoutSecrets } from '#replicator/config/secrets.ts';
import { quoteIdentifier } from '#replicator/pg/quote.ts';

/** What an operator needs to know to find the place. */
export interface StreamPlace {
  readonly url: string;
  readonly slot: string;
}

/** What to do about a walsender session that failed or could not be started. */
export function replicationError(cause: unknown, place: StreamPlace): EverywriteError {
  if (cause instanceof EverywriteError) return cause;
  const sqlState = sqlStateOf(cause);
  const reason = reasonOf(cause);
  const [code, recovery, message] = decide(sqlState, reason, place);
  return new EverywriteError({ code, recovery, message, sqlState, cause });
}

function decide(
  sqlState: string | undefined,
  reason: string,
  { url, slot }: StreamPlace,
): readonly [ErrorCode, Recovery, string] {
  const server = serverOf(url);
  switch (sqlState) {
    case '55006':
      return ['SLOT_BUSY', 'retry', `Another process reads slot "${slot}" (${reason}).`];
    case '42704':
      return ['SLOT_MISSING', 'operator', `${sentence(reason)} Prepare this region again.`];
    // Also for a segment that is gone (58P01): the server no longer has what the slot still needs.
    case '55000':
    case '58P01':
      return ['SLOT_LOST', 'operator', slotLost(slot, reason)];
    case '42501':
      return ['PRIVILEGE_MISSING', 'operator', replicationRight(url, reason)];
    default:
      break;
  }
  if (sqlState?.startsWith('28') === true) {
    const message = `PostgreSQL at ${server} refuses this connection (${reason}); check user, password and pg_hba.conf.`;
    return ['PRIVILEGE_MISSING', 'operator', message];
  }
  if (isPassing(sqlState)) {
    return ['DATABASE_UNREACHABLE', 'retry', `Replication from ${server} broke off: ${reason}.`];
  }
  return ['STREAM_FAILED', 'restart', `Replication from ${server} failed: ${reason}.`];
}

// No state: the socket broke. 08: connection. 53: too many of something. 57: shut down, or starting.
function isPassing(sqlState: string | undefined): boolean {
  return sqlState === undefined || ['08', '53', '57'].includes(sqlState.slice(0, 2));
}

export function slotLost(slot: string, reason: string): string {
  return (
    `Slot "${slot}" no longer holds the changes it owes us (${reason}); this region must join ` +
    'again under a new epoch. Raise max_slot_wal_keep_size so that it does not happen again.'
  );
}

function replicationRight(url: string, reason: string): string {
  const user = URL.canParse(url) ? decodeURIComponent(new URL(url).username) : '';
  const role = user === '' ? '<role>' : quoteIdentifier(user);
  return (
    `The role may not replicate (${reason}). As a superuser: ALTER ROLE ${role} REPLICATION; ` +
    `on Amazon RDS: GRANT rds_replication TO ${role};`
  );
}

function sentence(reason: string): string {
  return `${reason.slice(0, 1).toUpperCase()}${reason.slice(1)}.`;
}

function sqlStateOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  const { code } = cause;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return withoutSecrets(cause instanceof Error ? cause.message : String(cause));
}
