import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { onTopOf } from '#conflict/column-type.ts';
import { KeyState } from '#conflict/key-state.ts';
import type { Hlc } from '#core/hlc.ts';
import type { RegionId, ReplicaId } from '#core/region.ts';
import { replicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import type { PgText } from '#core/relation.ts';
import type { CaptureSettings } from '#core/settings.ts';
import { compareStamps, concurrent, formatDot } from '#core/transaction.ts';
import type { ChangeTransaction, KeyedOp } from '#core/transaction.ts';
import { EMPTY_VECTOR, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { Capture } from '#replicator/engine/capture/capture.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { UNCHANGED } from '#replicator/engine/pgoutput/message.ts';
import type {
  PgoutputMessage,
  RelationMessage,
  Tuple,
} from '#replicator/engine/pgoutput/message.ts';
import type { ConflictRow } from '#replicator/engine/statement.ts';
import type { ReplicationFrame } from '#replicator/engine/replication-port.ts';
import type { SlotWitness } from '#tests/support/region-gates.ts';

/** A row by column name; null when there is none. */
export type Image = Readonly<Record<string, PgText>> | null;

export interface Violation {
  readonly region: string;
  readonly dot: string;
  readonly key: string;
  readonly when: 'before' | 'after';
  readonly table: Image;
  readonly state: Image;
}

/** A row here is `schema.table key`; `base` is what was there before anything was captured. */
type Rows = Map<string, { state: KeyState; doubtfulUntilUs: number }>;
type Base = ReadonlyMap<string, Readonly<Record<string, PgText>>>;

// An own write that apply had not known may show for so long what its state does not say: until the
// row, found dirty, is projected again, for which apply may have to wait for the application's locks.
const DOUBT_US = 2_000_000;
// Nobody projects while the replicator is away: what was in doubt when it went still is.
const AWAY_US = 10_000_000;

/**
 * Decodes every region's WAL a second time and holds it to the model, all along: the old and the new
 * image of every own write equal the CRDT state of what the region had seen there (hazards.md, "What an
 * experiment showed"). Nothing is forgotten here, so pruning, dirty rows and rebuilds are under test.
 */
export class Auditor {
  readonly violations: Violation[] = [];
  checked = 0;
  /** Differences while a row was rightly expected to be projected again. */
  excused = 0;
  readonly #transactions = new Map<ReplicaId, ChangeTransaction[]>();
  readonly #base: Base;
  readonly #settings: CaptureSettings;

  constructor(settings: CaptureSettings, base: Base) {
    this.#settings = settings;
    this.#base = base;
  }

  /** What looks at one region's slot. */
  witness(region: RegionId): SlotWitness {
    return new RegionAudit(region, this.#settings, {
      base: this.#base,
      publish: (transaction) => this.#log(transaction.replica).push(transaction),
      between: (replica, from, to) => this.#log(replica).slice(from, to),
      judge: (violation, excused) => {
        if (excused) this.excused++;
        else this.violations.push(violation);
      },
      counted: () => this.checked++,
    });
  }

  /** Rows and conflicts that follow from all operations, folded in stamp order. */
  outcome(): { readonly rows: ReadonlyMap<string, Image>; readonly conflicts: readonly string[] } {
    const all = [...this.#transactions.values()].flat().toSorted(compareStamps);
    const conflicts = new ConflictBuffer();
    const states = new Map<string, KeyState>();
    for (const key of this.#base.keys()) states.set(key, KeyState.EMPTY);
    for (const by of all) {
      for (const op of by.ops) {
        if (op.kind === 'truncate') continue;
        const id = rowName(op);
        const sink = conflicts.sink(relationId(op.relation), op.key);
        states.set(id, (states.get(id) ?? KeyState.EMPTY).fold(by, op, sink));
      }
    }
    const rows = new Map<string, Image>();
    for (const [id, state] of states) rows.set(id, projected(state, this.#base.get(id) ?? null));
    return { rows, conflicts: conflicts.drain().add.map(recordName).toSorted() };
  }

  #log(replica: ReplicaId): ChangeTransaction[] {
    let log = this.#transactions.get(replica);
    if (log === undefined) this.#transactions.set(replica, (log = []));
    return log;
  }
}

/** The identity of a conflict record. */
export function recordName({ relation, key, column, winner, loser }: ConflictRow): string {
  return [relation, key, column, winner.dot, loser.dot].join(' ');
}

interface Court {
  readonly base: Base;
  publish(transaction: ChangeTransaction): void;
  between(replica: ReplicaId, from: number, to: number): readonly ChangeTransaction[];
  judge(violation: Violation, excused: boolean): void;
  counted(): void;
}

interface Images {
  readonly first: Image;
  last: Image;
}

class RegionAudit implements SlotWitness {
  readonly #region: RegionId;
  readonly #court: Court;
  readonly #capture: Capture;
  readonly #rows: Rows = new Map();
  #decoder = new PgoutputDecoder();
  #described = new Map<number, RelationMessage>();
  #images = new Map<string, Images>();
  #seen: VersionVector = EMPTY_VECTOR;
  #commitLsn = 0;
  #skipping = false;

  constructor(region: RegionId, settings: CaptureSettings, court: Court) {
    this.#region = region;
    this.#court = court;
    const replica = replicaId(region, 1);
    const start = { replica, sequence: 0, hlc: 0 as Hlc, vector: EMPTY_VECTOR, settings };
    this.#capture = new Capture(start);
  }

  started(): void {
    const nowUs = Date.now() * 1000;
    for (const row of this.#rows.values()) {
      const recent = row.doubtfulUntilUs > nowUs - AWAY_US;
      if (recent) row.doubtfulUntilUs = Math.max(row.doubtfulUntilUs, nowUs + DOUBT_US);
    }
    this.#decoder = new PgoutputDecoder();
    this.#described = new Map();
  }

  frames(frames: readonly ReplicationFrame[]): void {
    for (const frame of frames) {
      if (frame.kind === 'data') this.#message(this.#decoder.decode(frame.bytes));
    }
  }

  #message(message: PgoutputMessage): void {
    if (message.kind === 'message') return;
    // After a restart the slot sends again what is known: only its table descriptions are news.
    if (message.kind === 'begin') this.#skipping = message.commitLsn <= this.#commitLsn;
    if (message.kind === 'relation') this.#described.set(message.relationOid, message);
    else if (this.#skipping) return;
    if (message.kind === 'begin') this.#images = new Map();
    if (message.kind === 'commit') this.#commitLsn = message.commitLsn;
    if (message.kind === 'insert') this.#saw(message.relationOid, null, message.values);
    if (message.kind === 'update')
      this.#saw(message.relationOid, message.oldValues, message.values);
    if (message.kind === 'delete') this.#saw(message.relationOid, message.oldValues, null);
    const event = this.#capture.push(message);
    if (event?.kind === 'marker') this.#marker();
    if (event?.kind === 'transaction') this.#own(event.transaction);
  }

  #saw(relationOid: number, before: Tuple | null, after: Tuple | null): void {
    const relation = this.#described.get(relationOid);
    if (relation === undefined || relation.schema === 'everywrite') return;
    const [key] = after ?? before ?? [];
    const id = `${relationId(relation)} ${String(key)}`;
    const known = this.#images.get(id);
    const last = image(relation, after, before);
    if (known === undefined) this.#images.set(id, { first: image(relation, before, null), last });
    else known.last = last;
  }

  #own(transaction: ChangeTransaction): void {
    this.#court.publish(transaction);
    const { commitTimeUs } = transaction;
    for (const [id, { first }] of this.#images)
      this.#check(transaction, id, 'before', first, commitTimeUs);
    this.#fold(transaction);
    for (const [id, { last }] of this.#images)
      this.#check(transaction, id, 'after', last, commitTimeUs);
  }

  /** What became visible here at this place of the WAL. */
  #marker(): void {
    const { vector } = this.#capture.state;
    for (const [replica, to] of vector) {
      const from = sequenceOf(this.#seen, replica);
      for (const transaction of this.#court.between(replica, from, to)) this.#fold(transaction);
    }
    this.#seen = vector;
  }

  #fold(by: ChangeTransaction): void {
    for (const op of by.ops) {
      if (op.kind === 'truncate') continue;
      const id = rowName(op);
      const row = this.#rows.get(id) ?? { state: KeyState.EMPTY, doubtfulUntilUs: 0 };
      this.#rows.set(id, row);
      const own = replicaId(this.#region, 1);
      const met = row.state.latest.some((o) => o.replica === own && concurrent(o, by));
      if (by.replica !== own && met) row.doubtfulUntilUs = Date.now() * 1000 + DOUBT_US;
      row.state = row.state.fold(by, op, IGNORE_CONFLICTS);
    }
  }

  #check(
    by: ChangeTransaction,
    id: string,
    when: 'before' | 'after',
    table: Image,
    commitTimeUs: number,
  ): void {
    const row = this.#rows.get(id);
    const state = projected(row?.state ?? KeyState.EMPTY, this.#court.base.get(id) ?? null);
    this.#court.counted();
    if (sameImage(table, state)) return;
    const excused = commitTimeUs <= (row?.doubtfulUntilUs ?? 0);
    const violation = { region: this.#region, dot: formatDot(by), key: id, when, table, state };
    this.#court.judge(violation, excused);
  }
}

function rowName({ relation, key }: KeyedOp): string {
  return `${relationId(relation)} ${key}`;
}

function projected(state: KeyState, base: Readonly<Record<string, PgText>> | null): Image {
  if (!(state.alive() ?? base !== null)) return null;
  const names = new Set(Object.keys(base ?? {}));
  for (const column of state.columns) names.add(column.name);
  for (const column of state.insert?.op.relation.columns ?? []) names.add(column.name);
  for (const { op } of state.claims.writes) {
    if (op.kind === 'delete') for (const { name } of op.relation.columns) names.add(name);
  }
  const value = (name: string): PgText => state.project(name, onTopOf(base?.[name] ?? null));
  return Object.fromEntries([...names].map((name) => [name, value(name)]));
}

function image(relation: RelationMessage, tuple: Tuple | null, before: Tuple | null): Image {
  if (tuple === null) return null;
  const cell = (at: number): PgText => {
    const sent = tuple[at] ?? null;
    const value = sent === UNCHANGED ? (before?.[at] ?? null) : sent;
    return value === UNCHANGED ? null : value;
  };
  return Object.fromEntries(relation.columns.map(({ name }, at) => [name, cell(at)]));
}

// An update whose row is only known by its changed columns says nothing of the others.
function sameImage(table: Image, state: Image): boolean {
  if (table === null || state === null) return table === state;
  return Object.entries(state).every(([name, value]) => table[name] === value);
}
