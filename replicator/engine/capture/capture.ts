import { must } from '#core/assert.ts';
import { nextHlc, witnessHlc } from '#core/hlc.ts';
import type { Hlc } from '#core/hlc.ts';
import type { Lsn } from '#core/lsn.ts';
import { mutant } from '#core/mutant.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import type { CaptureSettings } from '#core/settings.ts';
import { WHOLE } from '#core/transaction.ts';
import type { ChangeTransaction, Piece, RowOp, TransactionHeader } from '#core/transaction.ts';
import { EMPTY_VECTOR, parseVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { captureRelation } from '#replicator/engine/capture/captured-relation.ts';
import type { CapturedRelation } from '#replicator/engine/capture/captured-relation.ts';
import { deleteOp, insertOp, updateOps } from '#replicator/engine/capture/row-ops.ts';
import { parseVerdict, VERDICT_PREFIX } from '#replicator/engine/capture/verdict.ts';
import { FRAME_BYTES_MAX, operationBytes } from '#replicator/engine/log/transaction-size.ts';
import type {
  BeginMessage,
  LogicalMessage,
  PgoutputMessage,
  RelationMessage,
  Tuple,
} from '#replicator/engine/pgoutput/message.ts';

/** Where capture stands: all that its further output depends on, besides the WAL. */
export interface CaptureState {
  readonly replica: ReplicaId;
  readonly sequence: number;
  readonly hlc: Hlc;
  /** The vector of the last marker met, without this replica's own component. */
  readonly vector: VersionVector;
  readonly settings: CaptureSettings;
}

export type CaptureEvent =
  | {
      readonly kind: 'transaction';
      /** Whole, or with the operations of one piece. */
      readonly transaction: ChangeTransaction;
      readonly piece: Piece;
      readonly xid: number;
      readonly state: CaptureState;
      /** Apply's own, by the marker of this generation: what it decided between two unique claims. */
      readonly generation?: number;
    }
  /** Apply's transaction of this generation is in the WAL: committed, whatever its client heard. */
  | { readonly kind: 'marker'; readonly generation: number }
  /** Everything that committed before this mark was written has been captured. */
  | { readonly kind: 'mark'; readonly token: string }
  | {
      readonly kind: 'heartbeat';
      readonly endLsn: Lsn;
      readonly content: string;
      readonly state: CaptureState;
    };

interface OpenTransaction {
  readonly xid: number;
  readonly commitLsn: Lsn;
  readonly commitTimeUs: number;
  ops: RowOp[];
  bytes: number;
  /** Pieces handed out so far; then the header is fixed. */
  parts: number;
  header: TransactionHeader | null;
  readonly messages: LogicalMessage[];
  marker: { readonly generation: number; readonly vector: string; readonly hlc: number } | null;
  settings: CaptureSettings | null;
}

/**
 * Turns decoded WAL into own transactions: a deterministic function of (state, messages), so that
 * decoding again after a crash gives the same dots, stamps, dependencies and operations.
 */
export class Capture {
  /** Worked out at a relation's first row: until then its description may be an old one. */
  readonly #relations = new Map<number, CapturedRelation>();
  readonly #described = new Map<number, RelationMessage>();
  #state: CaptureState;
  #open: OpenTransaction | null = null;

  constructor(state: CaptureState) {
    this.#state = state;
  }

  get state(): CaptureState {
    return this.#state;
  }

  /** Feeds one message; returns what became known, usually nothing until a commit. */
  push(message: PgoutputMessage): CaptureEvent | null {
    switch (message.kind) {
      case 'begin': {
        this.#open = openTransaction(message);
        return null;
      }
      case 'commit':
        return this.#commit(message.endLsn);
      case 'relation':
        this.#described.set(message.relationOid, message);
        this.#relations.delete(message.relationOid);
        return null;
      case 'insert':
      case 'update':
      case 'delete':
        return this.#row(message);
      case 'truncate':
        for (const oid of message.relationOids) this.#truncate(oid);
        return null;
      case 'message':
        if (!message.transactional) return this.#message(message, message.lsn);
        this.#open?.messages.push(message);
        return null;
      default:
        // Origin and Type say nothing we need; streamed and prepared transactions are not asked for.
        return null;
    }
  }

  #row(message: Extract<PgoutputMessage, { kind: 'insert' | 'update' | 'delete' }>) {
    const open = must(this.#open, 'row message outside a transaction');
    const target = this.#target(message.relationOid);
    switch (target.kind) {
      case 'marker':
        if (message.kind === 'update') open.marker = readMarker(target.message, message.values);
        return null;
      case 'settings':
        if (message.kind === 'insert') open.settings = readSettings(target.message, message.values);
        return null;
      case 'ignored':
        return null;
      default:
    }
    // Where the server cannot filter by origin, apply's own writes follow its marker: they are no news.
    if (open.marker !== null && !mutant('own-writes-captured')) return null;
    if (message.kind === 'insert') add(open, insertOp(target, message));
    else if (message.kind === 'delete') add(open, deleteOp(target, message));
    else for (const op of updateOps(target, message)) add(open, op);
    // Memory holds one piece of a large transaction, however large. The server sends it only once it
    // has committed, so a piece needs no undoing.
    return open.bytes > FRAME_BYTES_MAX ? this.#piece(open, false, open.commitLsn) : null;
  }

  #truncate(oid: number): void {
    const open = must(this.#open, 'truncate outside a transaction');
    const target = this.#target(oid);
    if (target.kind !== 'user' || open.marker !== null) return;
    const { relation } = target;
    // Nobody saw what the transaction wrote before it emptied the table. Logged, it would be merged as
    // a write of columns beside a row that TRUNCATE spares, and only by those who fold it in its place.
    const others = open.ops.filter((op) => relationId(op.relation) !== relationId(relation));
    open.ops = others;
    open.bytes = others.reduce((bytes, op) => bytes + operationBytes(op), 0);
    add(open, { kind: 'truncate', relation });
  }

  #commit(endLsn: Lsn): CaptureEvent | null {
    const open = must(this.#open, 'commit without begin');
    this.#open = null;
    if (open.settings !== null) this.#adopt(open.settings);
    if (open.marker !== null) {
      const { generation, vector, hlc } = open.marker;
      const met = new Map(parseVector(vector));
      met.delete(this.#state.replica);
      this.#state = {
        ...this.#state,
        vector: met,
        hlc: mutant('hlc-not-merged') ? this.#state.hlc : witnessHlc(this.#state.hlc, hlc as Hlc),
      };
      // Only behind a marker, which nobody else can write: a message proves nothing about its sender.
      for (const message of open.messages) {
        if (message.prefix === VERDICT_PREFIX) add(open, parseVerdict(message.content));
      }
      if (open.ops.length === 0) return { kind: 'marker', generation };
      return { ...this.#piece(open, true, endLsn), generation };
    }
    if (open.ops.length > 0 || open.parts > 0) return this.#piece(open, true, endLsn);
    const [message] = open.messages;
    return message === undefined ? null : this.#message(message, endLsn);
  }

  #piece(
    open: OpenTransaction,
    last: boolean,
    endLsn: Lsn,
  ): Extract<CaptureEvent, { kind: 'transaction' }> {
    const header = (open.header ??= this.#stamp(open));
    const transaction: ChangeTransaction = { ...header, endLsn, ops: open.ops };
    const whole = last && open.parts === 0;
    open.parts++;
    open.ops = [];
    open.bytes = 0;
    const piece = whole ? WHOLE : { part: open.parts, last };
    return { kind: 'transaction', transaction, piece, xid: open.xid, state: this.#state };
  }

  #stamp({ commitLsn, commitTimeUs }: OpenTransaction): TransactionHeader {
    const { replica, settings, vector } = this.#state;
    const hlc = nextHlc(this.#state.hlc, commitTimeUs, settings.clockOffsetUs);
    const sequence = this.#state.sequence + 1;
    this.#state = { ...this.#state, sequence, hlc };
    const by = { replica, region: regionOf(replica), epoch: epochOf(replica), sequence, hlc };
    const deps = mutant('dependencies-dropped') ? EMPTY_VECTOR : vector;
    return { ...by, deps, commitLsn, endLsn: commitLsn, commitTimeUs };
  }

  // A message proves nothing about its sender: a forged mark or heartbeat only repeats what capture
  // itself knows at this place in the WAL.
  #message(message: LogicalMessage, endLsn: Lsn): CaptureEvent | null {
    const content = new TextDecoder().decode(message.content);
    if (message.prefix === 'everywrite:mark') return { kind: 'mark', token: content };
    if (message.prefix !== 'everywrite:heartbeat') return null;
    return { kind: 'heartbeat', endLsn, content, state: this.#state };
  }

  #adopt(settings: CaptureSettings): void {
    this.#state = { ...this.#state, settings };
    this.#relations.clear();
  }

  #target(oid: number): CapturedRelation {
    const known = this.#relations.get(oid);
    if (known !== undefined) return known;
    const message = must(this.#described.get(oid), 'row of an undescribed relation');
    const target = captureRelation(message, this.#state.settings);
    this.#relations.set(oid, target);
    return target;
  }
}

function openTransaction({ xid, commitLsn, commitTimeUs }: BeginMessage): OpenTransaction {
  const nothing = { ops: [], bytes: 0, parts: 0, header: null, messages: [] };
  return { xid, commitLsn, commitTimeUs, ...nothing, marker: null, settings: null };
}

function add(open: OpenTransaction, op: RowOp): void {
  open.ops.push(op);
  open.bytes += operationBytes(op);
}

function named(relation: RelationMessage, values: Tuple, name: string): string {
  const cell = values[relation.columns.findIndex((column) => column.name === name)];
  return must(typeof cell === 'string' ? cell : null, `everywrite.${relation.name}.${name}`);
}

function readMarker(relation: RelationMessage, values: Tuple) {
  return {
    generation: Number(named(relation, values, 'generation')),
    vector: named(relation, values, 'vector'),
    hlc: Number(named(relation, values, 'hlc')),
  };
}

function readSettings(relation: RelationMessage, values: Tuple): CaptureSettings {
  return parseSettings(Number(named(relation, values, 'id')), named(relation, values, 'value'));
}

/** A row of everywrite.settings, written by `everywrite init`. */
export function parseSettings(id: number, value: string): CaptureSettings {
  const parsed = JSON.parse(value) as Omit<CaptureSettings, 'id'>;
  return { id, tables: parsed.tables, clockOffsetUs: parsed.clockOffsetUs ?? 0 };
}
