import fc from 'fast-check';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { parseRegionId, regionOf, replicaId } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { PgText, Relation } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import type { Cell, ChangeTransaction, RowOp, TransactionHeader } from '#core/transaction.ts';
import { operationsOn, specifiedAlive, specifiedValue } from '#tests/conflict/specification.ts';

export const TABLE: Relation = {
  schema: 'public',
  name: 't',
  columns: [
    { name: 'id', typeOid: 25 },
    { name: 'a', typeOid: 25 },
    { name: 'n', typeOid: 20 },
  ],
  keyColumns: [0],
};
export const COLUMNS = ['id', 'a', 'n'];
export const MEMBERS = ['a', 'b', 'c'].map(parseRegionId);
export const REPLICAS = MEMBERS.map((region) => replicaId(region, 1));

/** Rows that every region has from the start and no operation made. */
export type StableRows = ReadonlyMap<RowKey, readonly PgText[]>;

interface Draw {
  readonly region: number;
  readonly action: number;
  readonly key: number;
  readonly value: number;
  readonly clock: number;
  readonly more: boolean;
}

export function draws(keys: number, maxLength: number): fc.Arbitrary<readonly Draw[]> {
  const draw = fc.record({
    region: fc.nat(2),
    action: fc.nat(11),
    key: fc.nat(keys - 1),
    value: fc.nat(3),
    clock: fc.nat(5),
    more: fc.boolean(),
  });
  return fc.array(draw, { minLength: 1, maxLength });
}

interface Writer {
  readonly name: ReplicaId;
  readonly seen: Map<ReplicaId, number>;
  hlc: number;
  open: { readonly header: TransactionHeader; readonly ops: RowOp[] } | null;
}

/**
 * Three regions that write by SQL's rules, in transactions of several operations, under clocks that are
 * wrong, and hear from each other whole prefixes at a time. Returned in an order that causality allows.
 */
export function playRegions(
  steps: readonly Draw[],
  stable: StableRows = new Map(),
): readonly ChangeTransaction[] {
  const writers = REPLICAS.map((name): Writer => ({ name, seen: new Map(), hlc: 0, open: null }));
  const history: ChangeTransaction[] = [];
  for (const draw of steps) {
    const me = writers[draw.region];
    if (me === undefined) continue;
    if (draw.action >= 9) {
      commit(me, history);
      hear(me, writers[(draw.region + 1 + (draw.action % 2)) % 3]);
      continue;
    }
    me.open ??= begin(me, draw.clock);
    const known = history.filter(
      ({ replica, sequence }) => (me.seen.get(replica) ?? 0) >= sequence,
    );
    const key = keyOf(draw.key);
    const view = [...known, { ...me.open.header, ops: me.open.ops }];
    const ops = write(rowIn(view, key, stable), key, draw);
    // As capture does: what a transaction wrote before it truncated the table was never there.
    if (ops.some(({ kind }) => kind === 'truncate')) me.open.ops.length = 0;
    me.open.ops.push(...ops);
    if (!draw.more) commit(me, history);
  }
  for (const writer of writers) commit(writer, history);
  return history;
}

export function keyOf(at: number): RowKey {
  return `k${at}` as RowKey;
}

/** The row as these transactions make it, by the specification. */
export function rowIn(
  history: readonly ChangeTransaction[],
  key: RowKey,
  stable: StableRows,
): readonly PgText[] | null {
  const ops = operationsOn(history, key);
  const before = stable.get(key);
  if (!(specifiedAlive(ops) ?? before !== undefined)) return null;
  return COLUMNS.map((name, at) => specifiedValue(ops, name, before?.[at] ?? null));
}

function begin(me: Writer, clock: number): NonNullable<Writer['open']> {
  const sequence = (me.seen.get(me.name) ?? 0) + 1;
  const deps = new Map([...me.seen].filter(([replica]) => replica !== me.name));
  me.hlc = Math.max(me.hlc + 1, clock * 10);
  return { header: headerOf(me.name, sequence, me.hlc, deps), ops: [] };
}

export function headerOf(
  replica: ReplicaId,
  sequence: number,
  hlc: number,
  deps: ReadonlyMap<ReplicaId, number>,
): TransactionHeader {
  const place = { commitLsn: (sequence * 100) as Lsn, endLsn: (sequence * 100 + 40) as Lsn };
  const by = { replica, region: regionOf(replica), epoch: 1, sequence, hlc: hlc as Hlc, deps };
  return { ...by, ...place, commitTimeUs: hlc };
}

function commit(me: Writer, history: ChangeTransaction[]): void {
  const { open } = me;
  me.open = null;
  if (open === null || open.ops.length === 0) return;
  history.push({ ...open.header, ops: open.ops });
  me.seen.set(me.name, open.header.sequence);
}

function hear(me: Writer, peer: Writer | undefined): void {
  for (const [replica, sequence] of peer?.seen ?? []) {
    me.seen.set(replica, Math.max(me.seen.get(replica) ?? 0, sequence));
  }
  me.hlc = Math.max(me.hlc, peer?.hlc ?? 0);
}

function write(row: readonly PgText[] | null, key: RowKey, draw: Draw): readonly RowOp[] {
  const value = String(draw.value);
  const insert: RowOp = { kind: 'insert', relation: TABLE, key, values: [key, value, value] };
  if (draw.action === 8) return draw.value === 0 ? [{ kind: 'truncate', relation: TABLE }] : [];
  if (row === null) return draw.action <= 4 ? [insert] : [];
  const gone: RowOp = { kind: 'delete', relation: TABLE, key, values: row };
  if (draw.action === 0) return [gone];
  if (draw.action === 1) return [gone, insert];
  if (draw.action <= 4) return [update(key, 2, increment(row[2] ?? null, draw.value))];
  if (draw.action === 5) return [update(key, 2, draw.value < 2 ? null : value)];
  return [update(key, 1, draw.value === 0 ? null : value)];
}

// SQL cannot add to NULL: what a counter becomes from it is an assignment.
function increment(stored: PgText, value: number): Cell {
  return stored === null ? String(value) : { kind: 'add', amount: String(value - 1) };
}

function update(key: RowKey, column: number, cell: Cell): RowOp {
  return { kind: 'update', relation: TABLE, key, columns: [column], cells: [cell] };
}

/** Some order in which a region may meet these transactions: never an effect before its cause. */
export function causalOrder(
  history: readonly ChangeTransaction[],
  choose: (count: number) => number,
): readonly ChangeTransaction[] {
  const waiting = [...history];
  const seen = new Map<ReplicaId, number>();
  const ordered: ChangeTransaction[] = [];
  while (waiting.length > 0) {
    const ready = waiting.filter(
      ({ replica, sequence, deps }) =>
        (seen.get(replica) ?? 0) + 1 === sequence &&
        [...deps].every(([other, n]) => (seen.get(other) ?? 0) >= n),
    );
    const next = ready[choose(ready.length)] ?? ready[0];
    if (next === undefined) throw new Error('the history has a cycle');
    waiting.splice(waiting.indexOf(next), 1);
    seen.set(next.replica, next.sequence);
    ordered.push(next);
  }
  return ordered;
}

/** Chooses among `count` from a stream of numbers. */
export function chooser(numbers: Iterator<number>): (count: number) => number {
  return (count) => Number(numbers.next().value ?? 0) % Math.max(count, 1);
}
