import { EverywriteError } from '#core/errors.ts';
import type { Lsn } from '#core/lsn.ts';
import { parseLsn } from '#core/lsn.ts';
import type { AdminClient } from '#replicator/pg/admin-client.ts';

/** A slot is a lease on the primary's disk; this is how much of it is used, and how long it lasts. */
export interface SlotHealth {
  /** `unreserved` is at risk now, `lost` is final: only a new epoch helps. */
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost';
  /** Null once lost. */
  readonly restartLsn: Lsn | null;
  /** Null while another session is still creating it. */
  readonly confirmedFlushLsn: Lsn | null;
  /** Bytes of WAL until it is at risk; null: max_slot_wal_keep_size sets no limit. */
  readonly safeWalBytes: number | null;
  readonly retainedBytes: number | null;
  /** The walsender that reads it. */
  readonly activePid: number | null;
  /** What the server still has to decode. */
  readonly lagBytes: number | null;
}

/** Null when there is no such slot. */
export async function readSlotHealth(
  client: AdminClient,
  slot: string,
): Promise<SlotHealth | null> {
  const [row] = await client.select<HealthRow>(HEALTH, [slot]);
  if (row === undefined) return null;
  return {
    walStatus: row.walStatus,
    restartLsn: row.restartLsn === null ? null : parseLsn(row.restartLsn),
    confirmedFlushLsn: row.confirmedFlushLsn === null ? null : parseLsn(row.confirmedFlushLsn),
    safeWalBytes: bytes(row.safeWalBytes),
    retainedBytes: bytes(row.retainedBytes),
    activePid: row.activePid,
    lagBytes: bytes(row.lagBytes),
  };
}

type HealthRow = {
  readonly [name in keyof SlotHealth]: string | null;
} & Pick<SlotHealth, 'walStatus' | 'activePid'>;

const HEALTH = `
  SELECT wal_status AS "walStatus", restart_lsn::text AS "restartLsn",
    confirmed_flush_lsn::text AS "confirmedFlushLsn", safe_wal_size::text AS "safeWalBytes",
    pg_wal_lsn_diff(here, restart_lsn)::text AS "retainedBytes", active_pid AS "activePid",
    pg_wal_lsn_diff(here, confirmed_flush_lsn)::text AS "lagBytes"
  FROM pg_replication_slots,
    (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
      ELSE pg_current_wal_lsn() END) AS position (here)
  WHERE slot_name = $1`;

function bytes(text: string | null): number | null {
  return text === null ? null : Number(text);
}

/** Lets go of the WAL; what was not captured is lost. False when there is no such slot. */
export async function dropSlot(client: AdminClient, slot: string): Promise<boolean> {
  try {
    const dropped = await client.select(
      `SELECT pg_drop_replication_slot(slot_name)::text AS done
       FROM pg_replication_slots WHERE slot_name = $1`,
      [slot],
    );
    return dropped.length > 0;
  } catch (cause) {
    if (!(cause instanceof EverywriteError) || cause.sqlState !== '55006') throw cause;
    throw new EverywriteError({
      code: 'SLOT_BUSY',
      recovery: 'retry',
      message: `Slot "${slot}" is being read, so it cannot be dropped; stop that replicator first.`,
      sqlState: cause.sqlState,
      cause,
    });
  }
}
