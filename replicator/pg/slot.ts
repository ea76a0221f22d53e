import { EverywriteError } from '#core/errors.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';
import { VERSION_FAILOVER_SLOT } from '#replicator/pg/server-facts.ts';

// A slot waits for every transaction that is running; one forgotten session would hold it for hours,
// with the slot pinning WAL already. statement_timeout does not end that wait, lock_timeout does.
const CREATION_LOCK_TIMEOUT_MS = 30_000;

export interface SlotState {
  readonly database: string | null;
  readonly plugin: string | null;
  readonly active: boolean;
  readonly walStatus: string | null;
  readonly confirmedFlushLsn: string | null;
  /** WAL that the slot keeps on disk. */
  readonly retainedBytes: string | null;
}

/** `everywrite_<cluster>`: slot names know no hyphen. */
export function slotName(cluster: string): string {
  return `everywrite_${cluster.replaceAll('-', '_')}`;
}

export async function readSlot(client: AdminClient, slot: string): Promise<SlotState | null> {
  const [state] = await client.select<SlotState>(
    `SELECT database, plugin, active, wal_status AS "walStatus",
       confirmed_flush_lsn::text AS "confirmedFlushLsn",
       CASE WHEN NOT pg_is_in_recovery() THEN
         pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text END AS "retainedBytes"
     FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  return state ?? null;
}

export interface SlotOptions {
  readonly slot: string;
  readonly version: number;
  readonly failover: boolean;
}

/** Creates the slot; must run outside a transaction that has written anything. */
export async function createSlot(client: AdminClient, options: SlotOptions): Promise<void> {
  const flags =
    options.failover && options.version >= VERSION_FAILOVER_SLOT ? ', false, false, true' : '';
  await client.execute(`SET lock_timeout = ${CREATION_LOCK_TIMEOUT_MS}`);
  try {
    await client.execute(
      `SELECT pg_create_logical_replication_slot('${options.slot}', 'pgoutput'${flags})`,
    );
  } catch (cause) {
    throw slotError(options.slot, cause);
  }
  await client.execute('RESET lock_timeout');
}

function slotError(slot: string, cause: unknown): unknown {
  if (!(cause instanceof EverywriteError)) return cause;
  if (cause.sqlState === '55P03') {
    return new EverywriteError({
      code: 'LOCK_TIMEOUT',
      recovery: 'retry',
      message: `Slot ${slot} was not created within ${CREATION_LOCK_TIMEOUT_MS / 1000} s because older transactions are still running; "everywrite doctor" shows the oldest, end it and run init again.`,
      sqlState: cause.sqlState,
      cause,
    });
  }
  if (cause.sqlState === '53400') {
    return new EverywriteError({
      code: 'DATABASE_NOT_PREPARED',
      recovery: 'operator',
      message: `Slot ${slot} was not created: all replication slots are in use; raise max_replication_slots and restart PostgreSQL, or drop a slot that nobody uses.`,
      sqlState: cause.sqlState,
      cause,
    });
  }
  return cause;
}
