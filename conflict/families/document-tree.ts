import { compareStamps, happenedBefore } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { PartWrite } from '#conflict/column-parts.ts';
import type { ColumnState } from '#conflict/column-state.ts';
import type { Base } from '#conflict/column-type.ts';
import type { EditList } from '#conflict/edit-list.ts';
import { madeTo } from '#conflict/families/document-base.ts';
import { formatJson, parseJson } from '#conflict/json-tree.ts';
import type { JsonTree } from '#conflict/json-tree.ts';
import { WHOLE_VALUE } from '#conflict/path.ts';
import { mergedSequence } from '#conflict/sequence.ts';

type Tree = JsonTree | undefined;

/** What was written at one place of a document, and below it. */
interface Place {
  writes: readonly PartWrite[];
  edits: EditList | null;
  readonly below: Map<string, Place>;
}

/** Where the value around a place comes from. */
interface Maker {
  /** Who wrote it; null: the table holds it. */
  readonly by: TransactionHeader | null;
  /** Which edits are in it; null: none of those made to it. */
  readonly has: Base['has'] | null;
}

/** The document that the writes add up to; undefined: NULL. */
export function projectTree(column: ColumnState, base: Base): Tree {
  const winner = column.winner();
  const stored = winner === undefined || base.holdsAssignments === true;
  const tree = parsed(stored ? base.value : winner.folded);
  const start = { by: winner?.by ?? null, has: stored ? base.has : null };
  return settle(places(column), tree, start);
}

/**
 * The value of a place, `inherited` being what the value around it says. The latest write here that the
 * maker of that value had not seen stands instead; inside it the same holds again. Of a value that is
 * gone, or is no object, only what somebody wrote into it without having seen that remains.
 */
function settle(place: Place, inherited: Tree, around: Maker): Tree {
  const chosen = latestUnseen(place.writes, around.by);
  const tree = chosen === undefined ? inherited : parsed(chosen.value);
  const maker = chosen === undefined ? around : { by: chosen.by, has: null };
  if (tree?.kind === 'array') return edited(tree, place.edits, maker);
  if (tree !== undefined && tree.kind !== 'object') return tree;
  if (place.below.size === 0) return tree;
  const members = new Map(tree?.members);
  for (const [key, inner] of place.below) {
    const member = settle(inner, members.get(key), maker);
    if (member === undefined) members.delete(key);
    else members.set(key, member);
  }
  // Who changed a part saw an object around it, if an empty one.
  const there = tree !== undefined || members.size > 0 || isTouched(place, maker);
  return there ? { kind: 'object', members } : undefined;
}

function isTouched({ below }: Place, maker: Maker): boolean {
  return [...below.values()].some(
    (inner) => latestUnseen(inner.writes, maker.by) !== undefined || isTouched(inner, maker),
  );
}

function edited(tree: JsonTree & { kind: 'array' }, list: EditList | null, { by, has }: Maker) {
  if (list === null) return tree;
  const items = textsOf(tree.items);
  const made = by === null ? list : madeTo(list, by);
  const merged = mergedSequence(items, made, has ?? (() => false));
  return { kind: 'array', items: merged.map(parseJson) } as const;
}

function latestUnseen(
  writes: readonly PartWrite[],
  maker: TransactionHeader | null,
): PartWrite | undefined {
  let best: PartWrite | undefined;
  for (const write of writes) {
    if (maker !== null && happenedBefore(write.by, maker)) continue;
    if (best === undefined || compareStamps(write.by, best.by) > 0) best = write;
  }
  return best;
}

function places({ parts }: ColumnState): Place {
  const root = newPlace();
  for (const [path, { writes }] of parts.registers) placeAt(root, path).writes = writes;
  for (const [path, list] of parts.edits) placeAt(root, path).edits = list;
  return root;
}

function placeAt(root: Place, path: string): Place {
  let place = root;
  for (const key of keysOf(path)) {
    let inner = place.below.get(key);
    if (inner === undefined) place.below.set(key, (inner = newPlace()));
    place = inner;
  }
  return place;
}

function newPlace(): Place {
  return { writes: [], edits: null, below: new Map() };
}

/** The tree with one part set, or taken out (null), by somebody who saw the whole tree. */
export function patchedTree(tree: Tree, path: string, value: string | null): Tree {
  return changedAt(tree, keysOf(path), () => parsed(value));
}

/** The tree with the elements of one array changed. */
export function editedTree(
  tree: Tree,
  path: string,
  change: (items: readonly string[]) => readonly string[],
): Tree {
  return changedAt(tree, keysOf(path), (part) =>
    part?.kind === 'array'
      ? { kind: 'array', items: change(textsOf(part.items)).map(parseJson) }
      : part,
  );
}

function changedAt(tree: Tree, keys: readonly string[], change: (part: Tree) => Tree): Tree {
  const [key, ...rest] = keys;
  if (key === undefined) return change(tree);
  if (tree !== undefined && tree.kind !== 'object') return tree;
  const members = new Map(tree?.members);
  const part = changedAt(members.get(key), rest, change);
  if (part === undefined) members.delete(key);
  else members.set(key, part);
  return tree === undefined && members.size === 0 ? undefined : { kind: 'object', members };
}

function parsed(value: string | null): Tree {
  return value === null ? undefined : parseJson(value);
}

function keysOf(path: string): readonly string[] {
  return path === WHOLE_VALUE ? [] : (JSON.parse(path) as readonly string[]);
}

/** The elements as texts. */
export function textsOf(items: readonly JsonTree[]): readonly string[] {
  return items.map(formatJson);
}
