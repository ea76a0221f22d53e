import type { Splice, TransactionHeader } from '#core/transaction.ts';
import { editsOf } from '#conflict/edit-list.ts';
import type { EditList } from '#conflict/edit-list.ts';
import { MergedEdits } from '#conflict/yjs/merged-edits.ts';

/** A text in UTF-16 units, or a list of elements' texts. */
export type Sequence = string | readonly string[];

/** A sequence with these changes made, whose positions are those of `units`. */
export function splicedSequence<Kind extends Sequence>(
  units: Kind,
  splices: readonly Splice[],
): Kind {
  if (typeof units === 'string') {
    let text = '';
    let at = 0;
    for (const [position, deleted, inserted] of splices) {
      text += units.slice(at, position) + (typeof inserted === 'string' ? inserted : '');
      at = Math.max(at, position + deleted);
    }
    return (text + units.slice(at)) as Kind;
  }
  const list: string[] = [];
  let at = 0;
  for (const [position, deleted, inserted] of splices) {
    for (const unit of units.slice(at, position)) list.push(unit);
    for (const unit of inserted) list.push(unit);
    at = Math.max(at, position + deleted);
  }
  for (const unit of units.slice(at)) list.push(unit);
  return list as readonly string[] as Kind;
}

/** What a sequence is after all edits, `units` being what it is after those that it `has`. */
export function mergedSequence<Kind extends Sequence>(
  units: Kind,
  list: EditList | null,
  has: (by: TransactionHeader) => boolean,
): Kind {
  const missing: EditList[] = [];
  let at = list;
  for (; at !== null && !has(at.by); at = at.rest) missing.push(at);
  const inside = at;
  for (; at !== null; at = at.rest) if (!has(at.by)) return replayed(units, list, has);
  let value = units;
  let done = missing.length;
  // Of a sequence that begins with all these edits the values in between may be known.
  if (inside === null) {
    const found = missing.findIndex((edit) => results.get(edit)?.units === units);
    const result = found < 0 ? undefined : results.get(missing[found] as EditList);
    if (result !== undefined) [value, done] = [result.value as Kind, found];
  }
  for (const edit of missing.slice(0, done).toReversed()) {
    value = splicedSequence(value, inPlace(edit));
  }
  const [newest] = missing;
  if (inside === null && newest !== undefined) results.set(newest, { units, value });
  return value;
}

/** What sequences came to, by the newest edit; gone with it. */
const results = new WeakMap<EditList, { readonly units: Sequence; readonly value: Sequence }>();
const placed = new WeakMap<EditList, readonly Splice[]>();
/** The replay up to an edit. It moves on with the next one: of two that follow one begins afresh. */
const replays = new WeakMap<EditList, MergedEdits>();

/** An edit in positions of a sequence that has all edits before it in the list. */
function inPlace(edit: EditList): readonly Splice[] {
  if (edit.linear) return edit.edit[2];
  const known = placed.get(edit);
  if (known !== undefined) return known;
  const { rest } = edit;
  let replay = continued(rest);
  let splices = replay?.integrate(edit) ?? null;
  for (let length = edit.edit[1]; splices === null; length = (replay?.length ?? 0) * 2) {
    replay = replayOf(editsOf(rest), length);
    splices = replay?.integrate(edit) ?? null;
  }
  if (replay !== undefined) replays.set(edit, replay);
  placed.set(edit, splices);
  return splices;
}

/** The replay of these edits, if one of an earlier end can be taken on to here. */
function continued(list: EditList | null): MergedEdits | undefined {
  const since: EditList[] = [];
  for (let at = list; at !== null; at = at.rest) {
    const replay = replays.get(at);
    if (replay === undefined) {
      since.push(at);
      continue;
    }
    replays.delete(at);
    const whole = since.toReversed().every((edit) => replay.integrate(edit) !== null);
    return whole ? replay : undefined;
  }
  return undefined;
}

function replayOf(edits: readonly EditList[], least: number): MergedEdits {
  for (
    let length = edits.reduce((most, { edit }) => Math.max(most, edit[1]), least);
    ;
    length *= 2
  ) {
    const replay = new MergedEdits(length);
    if (edits.every((edit) => replay.integrate(edit) !== null)) return replay;
  }
}

/** The same where the edits that are missing are not the newest ones. */
function replayed<Kind extends Sequence>(
  units: Kind,
  list: EditList | null,
  has: (by: TransactionHeader) => boolean,
): Kind {
  const edits = editsOf(list);
  const longest = edits.reduce((most, { edit }) => Math.max(most, edit[1]), 0);
  for (let length = longest; ; length = length * 2 + 1) {
    const value = attempted(units, edits, has, new MergedEdits(length));
    if (value !== null) return value;
  }
}

function attempted<Kind extends Sequence>(
  units: Kind,
  edits: readonly EditList[],
  has: (by: TransactionHeader) => boolean,
  replay: MergedEdits,
): Kind | null {
  let value = units;
  for (const edit of edits) if (has(edit.by) && replay.integrate(edit) === null) return null;
  for (const edit of edits) {
    if (has(edit.by)) continue;
    const splices = replay.integrate(edit);
    if (splices === null) return null;
    value = splicedSequence(value, splices);
  }
  return value;
}
