import * as Y from 'yjs';
import type { ReplicaId } from '#core/region.ts';
import { happenedBefore } from '#core/transaction.ts';
import type { Splice, TransactionHeader } from '#core/transaction.ts';
import type { EditList } from '#conflict/edit-list.ts';

const SEQUENCE = 'sequence';
const UNIT = '.';
const BASE_CLIENT = 1;
// Room for edits that are longer than any met so far, before everything is begun again.
const SPARE_UNITS = 4096;

interface Writer {
  readonly doc: Y.Doc;
  readonly client: number;
  /** How many of each replica's edits are in it. */
  readonly has: Map<ReplicaId, number>;
}

interface Logged {
  readonly by: TransactionHeader;
  readonly update: Uint8Array;
}

/**
 * Tells where concurrent edits of one sequence belong beside each other. Every edit is replayed in Yjs
 * as its writer made it: into a document that holds exactly what that writer had seen. Only positions
 * and lengths matter for that, so the documents are full of placeholders, begin wherever the unstable
 * edits begin, and need neither the value nor any state from before.
 *
 * Everything here is a function of the edits: client ids derive from the replicas' names, and nothing
 * that Yjs draws at random is used.
 */
export class MergedEdits {
  readonly #length: number;
  readonly #writers = new Map<ReplicaId, Writer>();
  readonly #logged = new Map<ReplicaId, Logged[]>();
  readonly #merged: Y.Doc;
  readonly #base: Uint8Array;

  /** `length` units at least must be there before the first edit. */
  constructor(length: number) {
    this.#length = length + SPARE_UNITS;
    this.#merged = document(BASE_CLIENT);
    this.#merged.getText(SEQUENCE).insert(0, UNIT.repeat(this.#length));
    this.#base = Y.encodeStateAsUpdate(this.#merged);
  }

  get length(): number {
    return this.#length;
  }

  /**
   * The edit in positions of everything integrated so far; null when the sequence was begun too short
   * for it. After all that its writer had seen.
   */
  integrate({ by, edit }: Pick<EditList, 'by' | 'edit'>): readonly Splice[] | null {
    const [, length, splices] = edit;
    const writer = this.#writer(by.replica);
    this.#bringUp(writer, by);
    const text = writer.doc.getText(SEQUENCE);
    if (text.length < length) return null;
    let update: Uint8Array | null = null;
    const heard = (bytes: Uint8Array): void => void (update = bytes);
    writer.doc.on('update', heard);
    writer.doc.transact(() => {
      for (const [position, deleted, inserted] of splices.toReversed()) {
        text.delete(position, deleted);
        text.insert(position, UNIT.repeat(inserted.length));
      }
    });
    writer.doc.off('update', heard);
    const logged = this.#logged.get(by.replica) ?? [];
    this.#logged.set(by.replica, logged);
    if (update === null) return [];
    logged.push({ by, update });
    writer.has.set(by.replica, logged.length);
    return this.#merge(update, splices);
  }

  #merge(update: Uint8Array, splices: readonly Splice[]): readonly Splice[] {
    const merged: Splice[] = [];
    const contents = splices.map(([, , inserted]) => inserted).filter(({ length }) => length > 0);
    const text = this.#merged.getText(SEQUENCE);
    const observe = (event: Y.YTextEvent): void => {
      let position = 0;
      for (const step of event.delta) {
        if (step.retain !== undefined) position += step.retain;
        else if (step.delete !== undefined) {
          merged.push([position, step.delete, '']);
          position += step.delete;
        } else if (typeof step.insert === 'string') {
          merged.push([position, 0, taken(contents, step.insert.length)]);
        }
      }
    };
    text.observe(observe);
    Y.applyUpdate(this.#merged, update);
    text.unobserve(observe);
    return merged;
  }

  #bringUp(writer: Writer, by: TransactionHeader): void {
    for (const [replica, logged] of this.#logged) {
      let count = writer.has.get(replica) ?? 0;
      for (let next = logged[count]; next !== undefined; next = logged[count]) {
        if (!happenedBefore(next.by, by)) break;
        Y.applyUpdate(writer.doc, next.update);
        count++;
      }
      writer.has.set(replica, count);
    }
  }

  #writer(replica: ReplicaId): Writer {
    const known = this.#writers.get(replica);
    if (known !== undefined) return known;
    const clients = [...this.#writers.values()].map(({ client }) => client);
    let client = clientOf(replica);
    while (clients.includes(client)) client++;
    const doc = document(client);
    Y.applyUpdate(doc, this.#base);
    const writer: Writer = { doc, client, has: new Map() };
    this.#writers.set(replica, writer);
    return writer;
  }
}

function document(client: number): Y.Doc {
  // Without collecting: what was deleted keeps its place, and place is all that is asked for here.
  const doc = new Y.Doc({ guid: SEQUENCE, gc: false });
  doc.clientID = client;
  return doc;
}

/** Above the base's, below 2^53: the same number for a replica in every region. */
function clientOf(replica: ReplicaId): number {
  let [high, low] = [0x81_1c_9d, 0xc5_9d_1c];
  for (let at = 0; at < replica.length; at++) {
    low = Math.imul(low ^ replica.charCodeAt(at), 0x01_00_01_93) & 0xff_ff_ff;
    high = Math.imul(high ^ low, 0x01_00_01_b3) & 0xff_ff_ff;
  }
  return BASE_CLIENT + 1 + high * 0x1_00_00_00 + low;
}

/** The next `length` units of these contents; an insert of Yjs may hold several that became neighbours. */
function taken(contents: (string | readonly string[])[], length: number): Splice[2] {
  const units: string[] = [];
  let text = '';
  let left = length;
  let lists = false;
  while (left > 0) {
    const next = contents.shift();
    if (next === undefined) throw new RangeError('an edit inserted more than it holds');
    if (typeof next === 'string') text += next.slice(0, left);
    else units.push(...next.slice(0, left));
    lists ||= typeof next !== 'string';
    if (next.length > left) contents.unshift(next.slice(left));
    left -= Math.min(left, next.length);
  }
  return lists ? units : text;
}
