import fc from 'fast-check';
import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell, RowOp, TransactionHeader } from '#core/transaction.ts';
import { KeyState } from '#conflict/key-state.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';

export const RELATION: Relation = {
  schema: 'public',
  name: 't',
  columns: ['id', 'a', 'b', 'n'].map((name) => ({ name, typeOid: 25 })),
  keyColumns: [0],
};
export const KEY = 'k' as RowKey;

export interface HistoryStep {
  readonly by: TransactionHeader;
  readonly op: RowOp;
}

/** What a region's random writer does next, or which region it hears from. */
interface Draw {
  readonly region: number;
  readonly action: number;
  readonly value: number;
  readonly clock: number;
}

export const draws = fc.array(
  fc.record({
    region: fc.nat(2),
    action: fc.nat(9),
    value: fc.nat(3),
    clock: fc.nat(5),
  }),
  { minLength: 1, maxLength: 24 },
);

/**
 * Plays the draws as three regions that write one row by SQL's rules (no update of a row they do not
 * see) and hear from each other whole prefixes at a time. Returns every operation with its causes.
 */
export function play(steps: readonly Draw[]): readonly HistoryStep[] {
  const names = ['a', 'b', 'c'].map((r) => replicaId(parseRegionId(r), 1));
  const regions = names.map((name) => ({ name, seen: new Map<ReplicaId, number>(), hlc: 0 }));
  const history: HistoryStep[] = [];
  const known = (at: number): KeyState =>
    history
      .filter((s) => s.by.sequence <= (regions[at]?.seen.get(s.by.replica) ?? 0))
      .toSorted((l, r) => l.by.hlc - r.by.hlc)
      .reduce((state, s) => state.fold(s.by, s.op, IGNORE_CONFLICTS), KeyState.EMPTY);
  for (const draw of steps) {
    const me = regions[draw.region];
    if (me === undefined) continue;
    if (draw.action >= 7) {
      const peer = regions[(draw.region + 1 + (draw.action % 2)) % 3];
      for (const [replica, sequence] of peer?.seen ?? []) {
        me.seen.set(replica, Math.max(me.seen.get(replica) ?? 0, sequence));
      }
      me.hlc = Math.max(me.hlc, peer?.hlc ?? 0);
      continue;
    }
    const op = write(known(draw.region), draw);
    if (op === undefined) continue;
    me.hlc = Math.max(me.hlc + 1, draw.clock * 10);
    const sequence = (me.seen.get(me.name) ?? 0) + 1;
    const deps = new Map([...me.seen].filter(([replica]) => replica !== me.name));
    me.seen.set(me.name, sequence);
    history.push({ by: header(me.name, sequence, me.hlc, deps), op });
  }
  return history;
}

export function header(
  replica: ReplicaId,
  sequence: number,
  hlc: number,
  deps: ReadonlyMap<ReplicaId, number>,
): TransactionHeader {
  const region = parseRegionId(replica.split('.')[0] ?? '');
  const lsns = { commitLsn: ZERO_LSN, endLsn: ZERO_LSN, commitTimeUs: hlc };
  return { replica, region, epoch: 1, sequence, hlc: hlc as Hlc, deps, ...lsns };
}

function write(state: KeyState, draw: Draw): RowOp | undefined {
  const alive = state.alive() === true;
  const value = String(draw.value);
  if (!alive) {
    if (draw.action > 3) return undefined;
    return { kind: 'insert', relation: RELATION, key: KEY, values: [KEY, value, value, value] };
  }
  if (draw.action === 0) {
    const values = state.image(['id', 'a', 'b', 'n']) ?? [];
    return { kind: 'delete', relation: RELATION, key: KEY, values };
  }
  if (draw.action === 1 && draw.value === 0) return { kind: 'truncate', relation: RELATION };
  if (draw.action <= 3) return update([3], [{ kind: 'add', amount: String(draw.value + 1) }]);
  if (draw.action === 4) return update([3], [draw.value === 0 ? null : value]);
  return update([draw.action === 5 ? 1 : 2], [value]);
}

function update(columns: readonly number[], cells: readonly Cell[]): RowOp {
  return { kind: 'update', relation: RELATION, key: KEY, columns, cells };
}

/** Some order in which a region may meet these operations: never an effect before its cause. */
export function causalOrder(
  history: readonly HistoryStep[],
  choose: (count: number) => number,
): readonly HistoryStep[] {
  const waiting = [...history];
  const seen = new Map<ReplicaId, number>();
  const ordered: HistoryStep[] = [];
  while (waiting.length > 0) {
    const ready = waiting.filter(({ by }) => {
      const next = (seen.get(by.replica) ?? 0) + 1 === by.sequence;
      return next && [...by.deps].every(([replica, n]) => (seen.get(replica) ?? 0) >= n);
    });
    const step = ready[choose(ready.length)] ?? ready[0];
    if (step === undefined) throw new Error('the history has a cycle');
    waiting.splice(waiting.indexOf(step), 1);
    seen.set(step.by.replica, step.by.sequence);
    ordered.push(step);
  }
  return ordered;
}
