import * as Y from 'yjs';
import type { PgText } from '#core/relation.ts';
import type { Cell, PatchCell } from '#core/transaction.ts';
import { formatArray, parseArray } from '#conflict/array-text.ts';
import { formatJson, parseJson } from '#conflict/json-tree.ts';
import type { JsonTree } from '#conflict/json-tree.ts';
import { compareOrdered } from '#conflict/ordered-text.ts';
import { laterStamp, saw, specifiedValue } from '#tests/conflict/specification.ts';
import type { SeenOp } from '#tests/conflict/specification.ts';

/** A word on a column: the whole value, or a change of it. One per transaction in these histories. */
interface Word {
  readonly by: SeenOp['by'];
  readonly cell: Cell;
}

/**
 * What a column's writes mean by its type, by definition and from scratch: every operation ever made is
 * looked at, and nothing is ever forgotten.
 */
export function specifiedTyped(
  type: string,
  ops: readonly SeenOp[],
  column: string,
  stored: PgText,
): PgText {
  const words = ops.flatMap((op) => wordOf(op, column));
  switch (type.split('(')[0]) {
    case 'max':
      return furthest(words, stored, compareOrdered);
    case 'min':
      return furthest(words, stored, (l, r) => compareOrdered(r, l));
    case 'rank': {
      const labels = type.slice(5, -1).split('<');
      return furthest(words, stored, (l, r) => labels.indexOf(l) - labels.indexOf(r));
    }
    case 'flag':
      return specifiedFlag(words, stored, type === 'flag' ? 't' : 'f');
    case 'set':
      return specifiedSet(words, stored);
    case 'text': {
      const made = documentOf(words, stored);
      return made.value === null ? null : textOf(replay(unitsOf(made.value), made.words, ''));
    }
    case 'map':
    case 'list':
    case 'json': {
      const winner = lastOf(assignmentsOf(words));
      const value = winner === null ? stored : (winner.cell as PgText);
      const tree = value === null ? undefined : parseJson(value);
      const settled = settle(words, [], tree, winner);
      return settled === undefined ? null : formatJson(settled);
    }
    default:
      return specifiedValue(ops, column, stored);
  }
}

function wordOf({ op, by }: SeenOp, column: string): readonly Word[] {
  if (op.kind === 'truncate' || op.kind === 'delete') return [];
  const position = op.relation.columns.findIndex(({ name }) => name === column);
  if (op.kind === 'insert') return [{ by, cell: op.values[position] ?? null }];
  const at = op.columns.indexOf(position);
  return at < 0 ? [] : [{ by, cell: op.cells[at] ?? null }];
}

function isWhole({ cell }: Word): boolean {
  return typeof cell !== 'object' || cell === null;
}

function assignmentsOf(words: readonly Word[]): readonly Word[] {
  return words.filter(isWhole);
}

function patchOf({ cell }: Word): PatchCell | null {
  return typeof cell === 'object' && cell?.kind === 'patch' ? cell : null;
}

/** Those that nobody among them has seen. */
function standing<W extends { readonly by: SeenOp['by'] }>(words: readonly W[]): readonly W[] {
  return words.filter((word) => !words.some((other) => other !== word && saw(other.by, word.by)));
}

function lastOf<W extends { readonly by: SeenOp['by'] }>(words: readonly W[]): W | null {
  return words.reduce<W | null>(
    (best, next) => (best === null || laterStamp(next.by, best.by) ? next : best),
    null,
  );
}

function furthest(
  words: readonly Word[],
  stored: PgText,
  order: (left: string, right: string) => number,
): PgText {
  const whole = assignmentsOf(words);
  const counted = words.filter((word) =>
    isWhole(word) ? standing(whole).includes(word) : !whole.some((reset) => saw(reset.by, word.by)),
  );
  const values = counted.map(({ cell }) =>
    typeof cell === 'object' && cell?.kind === 'join' ? cell.value : (cell as PgText),
  );
  const all = whole.length === 0 ? [stored, ...values] : values;
  return all.reduce((best, next) => {
    if (best === null || next === null) return best ?? next;
    return order(next, best) > 0 ? next : best;
  }, null);
}

function specifiedFlag(words: readonly Word[], stored: PgText, preferred: string): PgText {
  const values = standing(words).map(({ cell }) => cell as PgText);
  if (values.length === 0) return stored;
  if (values.includes(preferred)) return preferred;
  return values.find((value) => value !== null) ?? null;
}

/** An element is there when, of the last words on it, one says so. */
function specifiedSet(words: readonly Word[], stored: PgText): PgText {
  const elements = (value: PgText): readonly PgText[] =>
    value === null ? [] : (parseArray(value) ?? []);
  const path = (element: PgText): string => (element === null ? '~' : `=${element}`);
  const whole = assignmentsOf(words);
  const named = new Map<string, PgText>();
  for (const element of elements(stored)) named.set(path(element), element);
  for (const word of words) {
    if (isWhole(word)) for (const e of elements(word.cell as PgText)) named.set(path(e), e);
    for (const [at] of patchOf(word)?.writes ?? []) named.set(at, at === '~' ? null : at.slice(1));
  }
  const present = [...named].filter(([at, element]) => {
    const said = words.flatMap((word) => {
      if (isWhole(word)) {
        return [{ by: word.by, yes: elements(word.cell as PgText).includes(element) }];
      }
      const write = patchOf(word)?.writes.find(([where]) => where === at);
      return write === undefined ? [] : [{ by: word.by, yes: write[1] !== null }];
    });
    const last = standing(said);
    return last.length === 0 ? elements(stored).includes(element) : last.some(({ yes }) => yes);
  });
  const patched = words.some(
    (word) =>
      (patchOf(word)?.writes.length ?? 0) > 0 && !whole.some((other) => saw(other.by, word.by)),
  );
  const empty =
    whole.length === 0 ? stored === null : standing(whole).every(({ cell }) => cell === null);
  const nothing = empty && !patched;
  if (present.length === 0 && nothing) return null;
  const number = (text: string): boolean => /^-?\d+(\.\d+)?$/.test(text);
  const sorted = present
    .map(([, element]) => element)
    .toSorted((left, right) => {
      if (left === null || right === null) return left === null ? 1 : -1;
      if (number(left) && number(right)) return Number(left) - Number(right);
      if (number(left) !== number(right)) return number(left) ? -1 : 1;
      return left < right ? -1 : 1;
    });
  return formatArray(sorted);
}

/** The document that stands, and the words of those who had seen it begin. */
function documentOf(words: readonly Word[], stored: PgText) {
  const winner = lastOf(assignmentsOf(words));
  if (winner === null) return { value: stored, words };
  const made = words.filter((word) => word !== winner && saw(word.by, winner.by));
  return { value: winner.cell as PgText, words: made };
}

/**
 * Yjs with the real contents, one document per writer, from the beginning: what the engine does with
 * placeholders, from wherever it still remembers, must come to the same.
 */
function replay(units: readonly string[], words: readonly Word[], path: string): readonly string[] {
  const docs = new Map<string, Y.Doc>();
  const updates: { readonly by: SeenOp['by']; readonly update: Uint8Array }[] = [];
  const merged = new Y.Doc();
  merged.clientID = 1;
  const names = new Map<string, string>();
  const written = (of: readonly string[]): string => of.map((unit) => nameOf(names, unit)).join('');
  merged.getText('s').insert(0, written(units));
  const base = Y.encodeStateAsUpdate(merged);
  for (const word of words) {
    const { by } = word;
    const doc = docs.get(by.replica) ?? new Y.Doc();
    if (!docs.has(by.replica)) {
      doc.clientID = clientOf(by.replica);
      Y.applyUpdate(doc, base);
      docs.set(by.replica, doc);
    }
    for (const { by: other, update } of updates) if (saw(by, other)) Y.applyUpdate(doc, update);
    const splices = patchOf(word)?.edits.find(([at]) => at === path)?.[2] ?? [];
    const before = Y.encodeStateVector(doc);
    doc.transact(() => {
      for (const [position, deleted, inserted] of splices.toReversed()) {
        doc.getText('s').delete(position, deleted);
        const units = typeof inserted === 'string' ? unitsOf(inserted) : inserted;
        doc.getText('s').insert(position, written(units));
      }
    });
    const update = Y.encodeStateAsUpdate(doc, before);
    updates.push({ by, update });
    Y.applyUpdate(merged, update);
  }
  const read = new Map([...names].map(([unit, name]) => [name, unit]));
  const text = merged.getText('s').toJSON();
  return text.split('').map((name) => read.get(name) ?? '');
}

// Yjs would mend half of a surrogate pair: units go in as numbers.
function unitsOf(text: string): readonly string[] {
  return text.split('').map((unit) => String(unit.charCodeAt(0)));
}

function textOf(units: readonly string[]): string {
  return units.map((unit) => String.fromCharCode(Number(unit))).join('');
}

/** One character for each unit, so that lists are texts. */
function nameOf(names: Map<string, string>, unit: string): string {
  const name = names.get(unit) ?? String.fromCharCode(0x4e_00 + names.size);
  names.set(unit, name);
  return name;
}

// The engine's client ids put the regions in this order.
const CLIENTS = ['b.1', 'a.1', 'c.1'];

function clientOf(replica: string): number {
  return CLIENTS.indexOf(replica) + 2;
}

function settle(
  words: readonly Word[],
  keys: readonly string[],
  inherited: JsonTree | undefined,
  maker: Word | null,
): JsonTree | undefined {
  const path = keys.length === 0 ? '' : JSON.stringify(keys);
  const writes = words.flatMap((word) => {
    const write = patchOf(word)?.writes.find(([at]) => at === path);
    return write === undefined ? [] : [{ by: word.by, value: write[1] }];
  });
  const unseen = standing(writes).filter(({ by }) => maker === null || !saw(maker.by, by));
  const chosen = lastOf(unseen);
  const value = chosen === null ? inherited : parsed(chosen.value);
  const made: Word | null = chosen === null ? maker : { by: chosen.by, cell: chosen.value };
  if (value?.kind === 'array') {
    const known = words.filter(
      (word) => made === null || (word.by !== made.by && saw(word.by, made.by)),
    );
    return {
      kind: 'array',
      items: replay(value.items.map(formatJson), known, path).map(parseJson),
    };
  }
  if (value !== undefined && value.kind !== 'object') return value;
  const members = new Map(value?.kind === 'object' ? value.members : []);
  const below = new Set<string>();
  for (const word of words) {
    const patch = patchOf(word);
    for (const [at] of [...(patch?.writes ?? []), ...(patch?.edits ?? [])]) {
      const place = at === '' ? [] : (JSON.parse(at) as string[]);
      const inside = place.length > keys.length && keys.every((key, i) => place[i] === key);
      if (inside) below.add(place[keys.length] ?? '');
    }
  }
  for (const key of below) {
    const member = settle(words, [...keys, key], members.get(key), made);
    if (member === undefined) members.delete(key);
    else members.set(key, member);
  }
  const touched = words.some(
    (word) =>
      (made === null || !saw(made.by, word.by)) &&
      patchOf(word)?.writes.some(
        ([at]) => at !== path && (path === '' || at.startsWith(`${path.slice(0, -1)},`)),
      ),
  );
  const there = value !== undefined || members.size > 0 || touched;
  return there ? { kind: 'object', members } : undefined;
}

function parsed(value: string | null): JsonTree | undefined {
  return value === null ? undefined : parseJson(value);
}
