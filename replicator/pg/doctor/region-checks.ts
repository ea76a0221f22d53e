import { EverywriteError } from '#core/errors.ts';
import { fail, ok, warn } from '#replicator/pg/doctor/check.ts';
import type { Check } from '#replicator/pg/doctor/check.ts';
import { requireSameRegion } from '#replicator/pg/region-row.ts';
import type { RegionIdentity, RegionRow } from '#replicator/pg/region-row.ts';
import type { ServerFacts } from '#replicator/pg/server-facts.ts';
import type { SlotState } from '#replicator/pg/slot.ts';

/** Whether this database is the one that the configuration means, still the same incarnation. */
export function checkRegion(
  row: RegionRow | null,
  identity: RegionIdentity,
  facts: ServerFacts,
): Check {
  const id = 'region';
  if (row === null) return fail(id, 'this database is not prepared', 'run "everywrite init"');
  try {
    requireSameRegion(row, identity, facts);
  } catch (error) {
    if (!(error instanceof EverywriteError)) throw error;
    return fail(id, error.code, error.message);
  }
  return ok(id, `${row.region} of ${row.cluster}, epoch ${row.epoch}, timeline ${row.timeline}`);
}

export function checkSlot(
  slot: string,
  state: SlotState | null,
  row: RegionRow | null,
  facts: ServerFacts,
): Check {
  const id = 'slot';
  if (state === null) return missingSlot(slot, row, facts);
  if (state.database !== facts.database) {
    const found = `slot ${slot} belongs to database ${state.database}`;
    return fail(id, found, 'two regions of one cluster need two PostgreSQL servers');
  }
  if (state.walStatus === 'lost') {
    const found = `slot ${slot} is lost: PostgreSQL removed WAL that it needed`;
    return fail(id, found, 'this region must join again; raise max_slot_wal_keep_size');
  }
  const retained = `${state.active ? 'in use' : 'not in use'}, keeps ${megabytes(state.retainedBytes)} of WAL`;
  if (state.walStatus === 'unreserved') {
    return warn(id, `slot ${slot} is about to be lost (${retained})`, 'start the replicator now');
  }
  return ok(id, `slot ${slot} is ${retained}`);
}

function missingSlot(slot: string, row: RegionRow | null, facts: ServerFacts): Check {
  const id = 'slot';
  if (row?.slotCreated === true) {
    const found = `slot ${slot} was here and is gone: commits since then are in no log`;
    return fail(id, found, 'this region must join again');
  }
  const used = `${facts.slotsUsed} of ${facts.slotsMax} replication slots in use`;
  if (facts.slotsUsed >= facts.slotsMax) {
    const fix = `ALTER SYSTEM SET max_replication_slots = ${facts.slotsMax + 4}; and restart PostgreSQL`;
    return fail(id, used, fix);
  }
  return fail(id, `slot ${slot} does not exist yet (${used})`, 'run "everywrite init"');
}

function megabytes(bytes: string | null): string {
  return bytes === null ? 'an unknown amount' : `${Math.ceil(Number(bytes) / 1_048_576)} MB`;
}
