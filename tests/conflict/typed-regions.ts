import fc from 'fast-check';
import type { Hlc } from '#core/hlc.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import type { PgText, Relation, RowPolicy } from '#core/relation.ts';
import type { RowKey } from '#core/row-key.ts';
import { sameDot } from '#core/transaction.ts';
import type { ChangeTransaction, RowOp, TransactionHeader } from '#core/transaction.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { columnType } from '#conflict/column-types.ts';
import { KeyState } from '#conflict/key-state.ts';
import { decodeState, encodeState } from '#conflict/key-state-codec.ts';
import type { EncodedState } from '#conflict/key-state-codec.ts';

export const KEY = 'k' as RowKey;

export function typedRelation(type: string, rows: RowPolicy = 'lww'): Relation {
  const value = { name: 'v', typeOid: 25, type };
  return {
    schema: 'public',
    name: 't',
    columns: [{ name: 'id', typeOid: 25 }, value],
    keyColumns: [0],
    rows,
  };
}

export interface TypedDraw {
  readonly region: number;
  /** Write, assign NULL, delete, insert, hear somebody, forget. */
  readonly action: number;
  readonly seed: number;
  readonly clock: number;
}

export const typedDraws = fc.array(
  fc.record({
    region: fc.nat(2),
    action: fc.nat(19),
    seed: fc.nat(1_000_000),
    clock: fc.nat(8),
  }),
  { minLength: 1, maxLength: 40 },
);

/** What a region's application writes where it sees `value`. */
export type NextValue = (value: PgText, seed: number) => PgText;

/**
 * Three regions with one row that has one typed column, by the engine's rules: an UPDATE is read off old
 * and new value, remote operations are folded and projected on what the table holds, what every region
 * is known to have is forgotten, and what a type does not let stand is put right.
 */
export class TypedRegions {
  readonly history: ChangeTransaction[] = [];
  readonly #type: string;
  readonly #relation: Relation;
  readonly #regions: readonly TypedRegion[];

  constructor(type: string, stored: PgText | undefined, rows: RowPolicy = 'lww') {
    this.#type = type;
    this.#relation = typedRelation(type, rows);
    this.#regions = ['a', 'b', 'c'].map(
      (name) => new TypedRegion(replicaId(parseRegionId(name), 1), stored),
    );
  }

  get rows(): readonly (PgText | undefined)[] {
    return this.#regions.map(({ row }) => row);
  }

  play(draws: readonly TypedDraw[], next: NextValue): void {
    for (const draw of draws) {
      const region = this.#regions[draw.region];
      if (region === undefined) continue;
      if (draw.action < 9) this.#update(region, draw, next(region.row ?? null, draw.seed));
      else if (draw.action === 9) this.#update(region, draw, null);
      else if (draw.action === 10) this.#delete(region, draw);
      else if (draw.action === 11) this.#insert(region, draw, next(null, draw.seed));
      else if (draw.action < 18) this.#hear(region, draw.seed % 2);
      else if (draw.action === 18) region.forget(this.#regions);
      else region.writeOut(this.#relation);
    }
  }

  /** Everybody hears everything. */
  meet(): void {
    for (const region of this.#regions) this.#receive(region, this.history.length);
  }

  #update(me: TypedRegion, { clock }: TypedDraw, after: PgText): void {
    const before = me.row;
    if (before === undefined) return;
    const type = columnType(this.#type);
    const cell = type.diff(before, after);
    me.row = after;
    if (cell === undefined) return;
    const askew = type.askew?.(before, after) === true;
    this.#write(me, clock, { ...this.#op('update', null), columns: [1], cells: [cell] } as RowOp);
    if (askew) me.row = me.state.project('v', { value: me.row, has: () => true });
  }

  #delete(me: TypedRegion, { clock }: TypedDraw): void {
    if (me.row === undefined) return;
    const op = this.#op('delete', me.row);
    me.row = undefined;
    this.#write(me, clock, op);
  }

  #insert(me: TypedRegion, { clock }: TypedDraw, value: PgText): void {
    if (me.row !== undefined) return;
    const normal = columnType(this.#type).normal(value);
    me.row = normal;
    this.#write(me, clock, this.#op('insert', normal));
  }

  #op(kind: 'insert' | 'update' | 'delete', value: PgText): RowOp {
    const common = { relation: this.#relation, key: KEY };
    return kind === 'update'
      ? { kind, ...common, columns: [], cells: [] }
      : { kind, ...common, values: ['k', value] };
  }

  #write(me: TypedRegion, clock: number, op: RowOp): void {
    const by = me.begin(clock);
    me.state = me.state.fold(by, op, IGNORE_CONFLICTS);
    this.history.push({ ...by, ops: [op] });
  }

  #hear(me: TypedRegion, offset: number): void {
    const from = this.#regions[(this.#regions.indexOf(me) + 1 + offset) % 3];
    const until = this.history.findLastIndex(({ replica }) => replica === from?.name);
    this.#receive(me, until + 1);
  }

  /** In the order of the history, which is causal; a prefix of each origin. */
  #receive(me: TypedRegion, end: number): void {
    for (const transaction of this.history.slice(0, end)) {
      if ((me.seen.get(transaction.replica) ?? 0) >= transaction.sequence) continue;
      me.apply(transaction);
    }
  }
}

class TypedRegion {
  readonly name: ReplicaId;
  readonly seen = new Map<ReplicaId, number>();
  /** What the last message of each replica says that it had seen. */
  readonly told = new Map<ReplicaId, ReadonlyMap<ReplicaId, number>>();
  state = KeyState.EMPTY;
  row: PgText | undefined;
  #hlc = 0;

  constructor(name: ReplicaId, row: PgText | undefined) {
    this.name = name;
    this.row = row;
  }

  begin(clock: number): TransactionHeader {
    const sequence = (this.seen.get(this.name) ?? 0) + 1;
    this.#hlc = Math.max(this.#hlc + 1, clock * 10);
    const deps = new Map([...this.seen].filter(([replica]) => replica !== this.name));
    this.seen.set(this.name, sequence);
    const region = parseRegionId(this.name.split('.')[0] ?? '');
    const place = { commitLsn: ZERO_LSN, endLsn: ZERO_LSN, commitTimeUs: this.#hlc };
    const hlc = this.#hlc as Hlc;
    return { replica: this.name, region, epoch: 1, sequence, hlc, deps, ...place };
  }

  apply(transaction: ChangeTransaction): void {
    this.seen.set(transaction.replica, transaction.sequence);
    this.told.set(
      transaction.replica,
      new Map([...transaction.deps, [transaction.replica, transaction.sequence]]),
    );
    this.#hlc = Math.max(this.#hlc, transaction.hlc);
    for (const op of transaction.ops)
      this.state = this.state.fold(transaction, op, IGNORE_CONFLICTS);
    const alive = this.state.alive() ?? this.row !== undefined;
    if (!alive) this.row = undefined;
    else if (this.row === undefined) this.row = this.state.image(['v'])?.[0];
    else {
      const has = (by: TransactionHeader): boolean => !sameDot(by, transaction);
      this.row = this.state.project('v', { value: this.row, has });
    }
  }

  /** As the spill does: the state is put away and read back. */
  writeOut(relation: Relation): void {
    const numbers = { numberOf: () => 0, relation: () => relation };
    const packed = JSON.stringify(encodeState(this.state, numbers));
    this.state = decodeState(JSON.parse(packed) as EncodedState, numbers);
  }

  forget(all: readonly TypedRegion[]): void {
    const stable = (by: TransactionHeader): boolean =>
      all.every(
        ({ name }) =>
          ((name === this.name ? this.seen : this.told.get(name))?.get(by.replica) ?? 0) >=
          by.sequence,
      );
    this.state = this.state.prune(stable) ?? KeyState.EMPTY;
  }
}
