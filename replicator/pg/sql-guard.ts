import type { Guard } from '#replicator/engine/statement.ts';
import type { SqlParameters } from './sql-parameters.ts';

/**
 * The condition under which `xmin` names a row version that the index knows (DESIGN.md section 6).
 * Under READ COMMITTED the server evaluates it again on the newest version after a lock wait.
 *
 * Transaction ids have no order of their own and wrap at 2^32; `age` is the server's own wrap-safe
 * distance, and an xid8 compared with a 32-bit xmin would be true for ever after the first epoch
 * (hazards.md, 3; sql-guard.pg.test.ts). A null horizon makes its arm null, which is not true. Always the
 * same text, so that a batch without one of the arms needs no other plan; it costs nothing measurable.
 */
export function guardCondition(
  parameters: SqlParameters,
  guard: Guard,
  xmin: string,
  knownXids: readonly (number | null)[],
): string {
  const horizon = parameters.scalar(
    guard.horizonXid === null ? null : `${guard.horizonXid}`,
    'xid',
  );
  const own = parameters.scalar(`{${guard.ownXids.join(',')}}`, 'xid[]');
  const known = parameters.column(
    knownXids.map((xid) => (xid === null ? null : `${xid}`)),
    'xid[]',
  );
  return `(age(${xmin}) > age(${horizon}) OR ${xmin} = ANY(${own}) OR ${xmin} = ${known})`;
}
