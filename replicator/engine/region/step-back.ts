import { parseVector, formatVector, sequenceOf } from '#core/version-vector.ts';
import type { ReplicaId } from '#core/region.ts';
import { vectorFenced } from '#replicator/engine/apply/apply-transaction.ts';
import type { DatabaseSession } from '#replicator/engine/database-port.ts';
import type { RegionState } from '#replicator/engine/statement.ts';

// Nobody else touches these rows: whoever holds them does not hold them for long.
const LOCK_TIMEOUT_MS = 5000;

/**
 * Own transactions beyond the end of the own log are decoded again: some never reached it, and a log may
 * lose what it had acknowledged. Until they are, the index does not know them. A conflict of theirs that
 * was recorded and that some later write would take back could then be taken back by nobody, so their
 * records go, and are made again with them; where they had been accounted for, the own component says
 * so, for a crash on the way (records.prop.test.ts, log-loss.e2e.test.ts).
 */
export async function stepBack(
  control: DatabaseSession,
  replica: ReplicaId,
  state: RegionState,
  tail: number,
): Promise<RegionState> {
  const vector = parseVector(state.vector);
  // What is stable is settled for ever, and is not decided again.
  const after = Math.max(tail, sequenceOf(parseVector(state.stable), replica));
  const withdraw = { kind: 'withdrawConflicts', replica, after } as const;
  if (sequenceOf(vector, replica) <= tail) {
    await control.flight([withdraw]);
    return state;
  }
  const lowered = formatVector(new Map(vector).set(replica, tail));
  const { generation, hlc } = state;
  const [, advanced] = await control.flight([
    { kind: 'begin', lockTimeoutMs: LOCK_TIMEOUT_MS },
    { kind: 'advanceVector', expectedGeneration: generation, vector: lowered, hlc },
  ]);
  // The session is closed with what it has begun: nothing of that stays.
  if (advanced?.kind !== 'advanced' || advanced.count !== 1) throw vectorFenced();
  await control.flight([withdraw, { kind: 'commit' }]);
  return { ...state, generation: generation + 1, vector: lowered };
}
