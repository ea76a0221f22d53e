import type { Lsn } from '#core/lsn.ts';
import { parseRegionId, replicaId } from '#core/region.ts';
import type { CaptureSettings } from '#core/settings.ts';
import { EMPTY_VECTOR, formatVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { Hlc } from '#core/hlc.ts';
import { Capture } from '#replicator/engine/capture/capture.ts';
import type { CaptureEvent, CaptureState } from '#replicator/engine/capture/capture.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import { encodeMessage } from '#replicator/engine/pgoutput/encode.ts';
import type {
  PgoutputMessage,
  RelationMessage,
  Tuple,
} from '#replicator/engine/pgoutput/message.ts';

export const EU = replicaId(parseRegionId('eu'), 1);
export const SETTINGS: CaptureSettings = {
  id: 1,
  tables: { 'public.t': { key: ['id'], columns: { n: 'counter' }, generated: ['g'] } },
  clockOffsetUs: 0,
};
export const START: CaptureState = {
  replica: EU,
  sequence: 0,
  hlc: 0 as Hlc,
  vector: EMPTY_VECTOR,
  settings: SETTINGS,
};

function described(oid: number, schema: string, name: string, columns: readonly string[]) {
  const typed = columns.map((column) => ({
    name: column,
    typeOid: column === 'n' ? 20 : 25,
    typeModifier: -1,
    partOfKey: true,
  }));
  const replicaIdentity = 'full' as const;
  return {
    kind: 'relation',
    xid: null,
    relationOid: oid,
    schema,
    name,
    replicaIdentity,
    columns: typed,
  } satisfies RelationMessage;
}

/** Columns id, a, n and the stored generated column g. */
export const T = described(100, 'public', 't', ['id', 'a', 'n', 'g']);
export const OTHER = described(101, 'public', 'not_configured', ['id']);
export const MARKER = described(1, 'everywrite', 'applied', ['generation', 'vector', 'hlc']);
export const SETTINGS_ROWS = described(2, 'everywrite', 'settings', ['id', 'value']);

type Change =
  | { readonly kind: 'insert'; readonly of: RelationMessage; readonly values: Tuple }
  | {
      readonly kind: 'update';
      readonly of: RelationMessage;
      readonly old: Tuple;
      readonly values: Tuple;
    }
  | { readonly kind: 'delete'; readonly of: RelationMessage; readonly old: Tuple }
  | { readonly kind: 'truncate'; readonly of: RelationMessage };

/** What is in the WAL: transactions and messages that stand for themselves. */
export type WalItem =
  | {
      readonly kind: 'commit';
      readonly commitTimeUs: number;
      readonly changes: readonly Change[];
      readonly message?: { readonly prefix: string; readonly content: string };
    }
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string };

export function insert(values: Tuple, of = T): Change {
  return { kind: 'insert', of, values };
}

export function update(old: Tuple, values: Tuple, of = T): Change {
  return { kind: 'update', of, old, values };
}

export function remove(old: Tuple, of = T): Change {
  return { kind: 'delete', of, old };
}

export function truncate(of = T): Change {
  return { kind: 'truncate', of };
}

export function commit(
  commitTimeUs: number,
  ...changes: readonly Change[]
): Extract<WalItem, { kind: 'commit' }> {
  return { kind: 'commit', commitTimeUs, changes };
}

export function marker(generation: number, vector: VersionVector, hlc: number): Change {
  const values = [String(generation), formatVector(vector), String(hlc)];
  return update([String(generation - 1), '', '0'], values, MARKER);
}

export function settings(next: CaptureSettings): Change {
  const { id, ...value } = next;
  return insert([String(id), JSON.stringify(value)], SETTINGS_ROWS);
}

/** Sends WAL as the server would: relations described before their first row in this session. */
export class Walsender {
  readonly capture: Capture;
  readonly #decoder = new PgoutputDecoder();
  readonly #described = new Set<RelationMessage>();

  constructor(state: CaptureState = START) {
    this.capture = new Capture(state);
  }

  /** What capture made of it. `at` is the item's place in the WAL. */
  send(item: WalItem, at: number): readonly CaptureEvent[] {
    return this.#messages(item, at).flatMap((message) => {
      const event = this.capture.push(this.#decoder.decode(Buffer.from(encodeMessage(message))));
      return event === null ? [] : [event];
    });
  }

  sendAll(...items: readonly WalItem[]): readonly CaptureEvent[] {
    return items.flatMap((item, at) => this.send(item, at + 1));
  }

  /** The server describes everything anew, as after an invalidation. */
  forget(): void {
    this.#described.clear();
  }

  #messages(item: WalItem, at: number): readonly PgoutputMessage[] {
    const commitLsn = (at * 100) as Lsn;
    const endLsn = endOf(at);
    if (item.kind === 'message') return [logical(item, false, endLsn)];
    const { commitTimeUs } = item;
    const begin: PgoutputMessage = { kind: 'begin', commitLsn, commitTimeUs, xid: 700 + at };
    const inside = item.message === undefined ? [] : [logical(item.message, true, commitLsn)];
    const end: PgoutputMessage = { kind: 'commit', commitLsn, endLsn, commitTimeUs };
    return [begin, ...item.changes.flatMap((change) => this.#change(change)), ...inside, end];
  }

  #change(change: Change): readonly PgoutputMessage[] {
    const { of } = change;
    const first = this.#described.has(of) ? [] : [of];
    this.#described.add(of);
    return [...first, rowMessage(change)];
  }
}

export function endOf(at: number): Lsn {
  return (at * 100 + 40) as Lsn;
}

function rowMessage(change: Change): PgoutputMessage {
  const { relationOid } = change.of;
  const row = { xid: null, relationOid };
  switch (change.kind) {
    case 'insert':
      return { kind: 'insert', ...row, values: change.values };
    case 'update':
      return { kind: 'update', ...row, oldKey: null, oldValues: change.old, values: change.values };
    case 'delete':
      return { kind: 'delete', ...row, oldKey: null, oldValues: change.old };
    default:
      return {
        kind: 'truncate',
        xid: null,
        relationOids: [relationOid],
        cascade: false,
        restartIdentity: false,
      };
  }
}

function logical(
  { prefix, content }: { readonly prefix: string; readonly content: string },
  transactional: boolean,
  lsn: Lsn,
): PgoutputMessage {
  const bytes = new TextEncoder().encode(content);
  return { kind: 'message', xid: null, transactional, lsn, prefix, content: bytes };
}
