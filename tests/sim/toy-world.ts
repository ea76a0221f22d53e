import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { replicaId } from '#core/region.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { covers, formatVector } from '#core/version-vector.ts';
import { keyText, specOps } from '#sim/check/spec-ops.ts';
import type { KeyedSpecOp } from '#sim/check/spec-ops.ts';
import { specifiedRow } from '#sim/check/specification.ts';
import type { SeenOp } from '#sim/check/specification.ts';
import { canonicalRow, sameRow } from '#sim/check/region-replay.ts';
import type { Row, RowChange } from '#sim/history/event.ts';
import { Kernel } from '#sim/kernel/kernel.ts';
import type { RandomStreams } from '#sim/kernel/ports.ts';
import type {
  ClientStep,
  ClientTransaction,
  GaugeReading,
  RegionDump,
  TableModel,
  TransactResult,
  World,
  WorldFault,
  WorldOptions,
} from '#sim/run/world.ts';

/** Bugs that the toy can have, for whoever tests that they are found. */
export type ToyBug = 'none' | 'loses a write' | 'ignores stamps' | 'draws from the clock';

interface Shipped {
  readonly header: ChangeTransaction;
  readonly ops: readonly KeyedSpecOp[];
}

interface ToyRegion {
  readonly name: RegionId;
  readonly replica: ReplicaId;
  readonly rows: Map<string, Row>;
  readonly vector: Map<ReplicaId, number>;
  readonly known: Shipped[];
  readonly inbox: Shipped[];
  sequence: number;
  hlc: number;
  lsn: number;
  down: boolean;
}

/**
 * A replicator of forty lines that is right by construction: it keeps every operation and asks the
 * specification what a row is. Only for tests of what surrounds the simulator.
 */
export class ToyWorld implements World {
  readonly random: RandomStreams;
  readonly findings: readonly string[] = [];
  readonly #kernel: Kernel;
  readonly #options: WorldOptions;
  readonly #bug: ToyBug;
  readonly #tables: ReadonlyMap<string, TableModel>;
  readonly #regions = new Map<RegionId, ToyRegion>();
  readonly #cut = new Map<string, number>();
  readonly #held: (() => void)[] = [];

  constructor(options: WorldOptions, bug: ToyBug = 'none') {
    this.#options = options;
    this.#bug = bug;
    this.#kernel = new Kernel({ seed: options.seed });
    this.random = this.#kernel.streams;
    this.#tables = new Map(options.tables.map((table) => [table.name, table]));
    for (const name of options.regions) {
      const replica = replicaId(name, 1);
      const fresh = { rows: new Map(), vector: new Map(), known: [], inbox: [] };
      this.#regions.set(name, {
        name,
        replica,
        ...fresh,
        sequence: 0,
        hlc: 0,
        lsn: 0,
        down: false,
      });
    }
  }

  nowUs(): number {
    return this.#kernel.nowUs();
  }

  after(delayUs: number, run: () => void): () => void {
    return this.#kernel.after(delayUs, run);
  }

  async start(): Promise<void> {
    await this.#kernel.run(10_000);
  }

  async runUntil(untilUs: number): Promise<void> {
    await this.#kernel.run(untilUs);
  }

  async stop(): Promise<void> {
    this.#kernel.stop();
    await Promise.resolve();
  }

  get eventCount(): number {
    return this.#kernel.events;
  }

  traceHash(): string {
    return this.#kernel.end().hash;
  }

  transact(name: RegionId, transaction: ClientTransaction): Promise<TransactResult> {
    return new Promise((resolve) => {
      const region = this.#region(name);
      if (region.down) {
        this.after(transaction.timeoutMs * 1_000, () => {
          resolve({ kind: 'unknown', error: 'timeout' });
        });
        return;
      }
      this.after(500 + transaction.holdMs * 1_000, () =>
        resolve(this.#execute(region, transaction)),
      );
    });
  }

  inject(fault: WorldFault): () => void {
    if (fault.do === 'partition') {
      const names = fault.links.map(({ from, to }) => `${from}>${to}`);
      for (const link of names) this.#cut.set(link, (this.#cut.get(link) ?? 0) + 1);
      return () => {
        for (const link of names) this.#cut.set(link, (this.#cut.get(link) ?? 1) - 1);
        for (const send of this.#held.splice(0)) send();
      };
    }
    if (fault.do !== 'kill') return () => undefined;
    const region = this.#region(fault.target.split('.')[0] as RegionId);
    const state = { kind: 'process', target: fault.target, why: 'kill -9' } as const;
    region.down = true;
    this.#options.record({ ...state, atUs: this.nowUs(), state: 'down' });
    return () => {
      region.down = false;
      this.#options.record({ ...state, atUs: this.nowUs(), state: 'up' });
      this.#apply(region);
    };
  }

  dump(name: RegionId): RegionDump {
    const { vector } = this.#region(name);
    return {
      tables: new Map(),
      vector: formatVector(vector),
      conflicts: [],
      quarantined: 0,
      generation: 0,
    };
  }

  gauges(name: RegionId): GaugeReading {
    const values = { indexKeys: 0, queuedTransactions: this.#region(name).inbox.length };
    return { stable: null, values };
  }

  pending(lost: readonly RegionId[]): string | null {
    const alive = [...this.#regions.values()].filter((region) => !lost.includes(region.name));
    const waiting = alive.filter((region) => region.inbox.length > 0 || region.down);
    if (waiting.length > 0) return `${waiting.map(({ name }) => name).join(', ')} still apply`;
    const sets = new Set(alive.map(({ vector }) => formatVector(vector)));
    return sets.size <= 1 ? null : 'vectors differ';
  }

  #region(name: RegionId): ToyRegion {
    const region = this.#regions.get(name);
    if (region === undefined) throw new Error(`no region ${name}`);
    return region;
  }

  #execute(region: ToyRegion, { op, steps }: ClientTransaction): TransactResult {
    if (region.down) return { kind: 'unknown', error: 'connection lost' };
    const changes: RowChange[] = [];
    for (const step of steps) {
      if (step.kind === 'insert' && this.#row(region, step.table, step.row) !== null) {
        return { kind: 'failed', error: '23505' };
      }
      changes.push(...this.#changes(region, step));
    }
    if (changes.length === 0) return { kind: 'committed', commitLsn: null, rows: [], affected: 0 };
    for (const change of changes) this.#write(region, change);
    region.lsn += 100;
    const lsn = region.lsn;
    const atUs = this.nowUs();
    const none = { vector: null, conflicts: [], quarantine: [] };
    const event = { kind: 'commit', atUs, region: region.name, lsn, xid: lsn, by: 'user' } as const;
    this.#options.record({ ...event, op, changes, ...none });
    this.#ship(region, lsn, specOps(changes, this.#tables));
    return { kind: 'committed', commitLsn: lsn, rows: [], affected: changes.length };
  }

  #ship(region: ToyRegion, lsn: number, ops: readonly KeyedSpecOp[]): void {
    if (ops.length === 0) return;
    const deps = new Map(region.vector);
    deps.delete(region.replica);
    region.sequence += 1;
    const wallUs = this.#options.epochUs + this.nowUs();
    region.hlc = Math.max(region.hlc + 1, wallUs);
    const header: ChangeTransaction = {
      replica: region.replica,
      region: region.name,
      epoch: 1,
      sequence: region.sequence,
      hlc: region.hlc as Hlc,
      deps,
      commitLsn: lsn as Lsn,
      endLsn: (lsn + 50) as Lsn,
      commitTimeUs: wallUs,
      ops: ops.map(() => ({ kind: 'truncate', relation: RELATION })),
    };
    const shipped = { header, ops };
    region.known.push(shipped);
    region.vector.set(region.replica, region.sequence);
    this.#logged(region, shipped);
    for (const link of this.#options.latency) {
      if (link.from === region.name) this.#send(shipped, link.to, link.ms);
    }
  }

  #send(shipped: Shipped, to: RegionId, ms: number): void {
    const deliver = (): void => {
      if ((this.#cut.get(`${shipped.header.region}>${to}`) ?? 0) > 0) {
        this.#held.push(() => this.#send(shipped, to, ms));
        return;
      }
      const target = this.#region(to);
      this.#logged(target, shipped);
      target.inbox.push(shipped);
      this.#apply(target);
    };
    this.after(Math.round(ms * 1_000), deliver);
  }

  #logged(region: ToyRegion, { header }: Shipped): void {
    const { replica, endLsn } = header;
    const where = { region: region.name, replica, endLsn, digest: '', part: 0 };
    this.#options.record({ kind: 'logged', atUs: this.nowUs(), ...where, transactions: [header] });
  }

  #apply(region: ToyRegion): void {
    if (region.down) return;
    for (;;) {
      const at = region.inbox.findIndex(
        ({ header }) =>
          (region.vector.get(header.replica) ?? 0) + 1 === header.sequence &&
          covers(region.vector, header.deps),
      );
      const next = region.inbox[at];
      if (next === undefined) return;
      region.inbox.splice(at, 1);
      this.#merge(region, next);
    }
  }

  #merge(region: ToyRegion, next: Shipped): void {
    region.known.push(next);
    region.vector.set(next.header.replica, next.header.sequence);
    region.hlc = Math.max(region.hlc, next.header.hlc);
    const lost = this.#bug === 'loses a write' && next.header.sequence % 7 === 3;
    const changes = lost ? [] : next.ops.flatMap((op) => this.#projected(region, op));
    for (const change of changes) this.#write(region, change);
    region.lsn += 100;
    const event = { kind: 'commit', atUs: this.nowUs(), region: region.name } as const;
    const vector = formatVector(region.vector);
    const rest = { op: null, vector, changes, conflicts: [], quarantine: [] };
    this.#options.record({ ...event, lsn: region.lsn, xid: region.lsn, by: 'apply', ...rest });
  }

  #projected(region: ToyRegion, { table, key }: KeyedSpecOp): readonly RowChange[] {
    const model = this.#tables.get(table);
    if (model === undefined || key === null) return [];
    const ops: SeenOp[] = region.known.flatMap(({ header, ops: theirs }) =>
      theirs.flatMap((op, at) =>
        op.table === table && op.key === key ? [{ by: this.#stamped(header), op: op.op, at }] : [],
      ),
    );
    const names = model.columns.map(({ name }) => name);
    const should = specifiedRow(ops, names, null);
    const is = region.rows.get(`${table} ${key}`) ?? null;
    if (sameRow(is, should)) return [];
    if (should === null) return is === null ? [] : [{ kind: 'delete', table, old: is }];
    if (is === null) return [{ kind: 'insert', table, new: should }];
    return [{ kind: 'update', table, old: is, new: should }];
  }

  #stamped(header: ChangeTransaction): ChangeTransaction {
    return this.#bug === 'ignores stamps' ? { ...header, hlc: 0 as Hlc } : header;
  }

  #changes(region: ToyRegion, step: ClientStep): readonly RowChange[] {
    if (step.kind === 'insert') {
      const model = this.#tables.get(step.table);
      const names = model?.columns.map(({ name }) => name) ?? [];
      const row = Object.fromEntries(names.map((name) => [name, step.row[name] ?? null]));
      return [{ kind: 'insert', table: step.table, new: row }];
    }
    if (step.kind === 'read' || step.kind === 'truncate') return [];
    const old = this.#row(region, step.table, step.key);
    if (old === null) return [];
    if (step.kind === 'delete') return [{ kind: 'delete', table: step.table, old }];
    const added = Object.entries(step.add).map(([name, by]) => {
      const before = old[name] ?? null;
      return [name, before === null ? null : String(Number(before) + Number(by))] as const;
    });
    const row = { ...old, ...step.set, ...Object.fromEntries(added) };
    if (canonicalRow(row) === canonicalRow(old)) return [];
    return [{ kind: 'update', table: step.table, old, new: row }];
  }

  #row(region: ToyRegion, table: string, key: Row): Row | null {
    const model = this.#tables.get(table);
    if (model === undefined) return null;
    return region.rows.get(`${table} ${keyText(model, key)}`) ?? null;
  }

  #write(region: ToyRegion, change: RowChange): void {
    const model = this.#tables.get(change.table);
    if (model === undefined || change.kind === 'truncate') return;
    if (change.kind === 'delete')
      region.rows.delete(`${change.table} ${keyText(model, change.old)}`);
    else region.rows.set(`${change.table} ${keyText(model, change.new)}`, change.new);
  }
}

const RELATION = { schema: 'public', name: 'toy', columns: [], keyColumns: [] };
