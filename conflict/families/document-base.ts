import type { PgText } from '#core/relation.ts';
import { happenedBefore, sameDot } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import type { ColumnState } from '#conflict/column-state.ts';
import type { Base } from '#conflict/column-type.ts';
import { editList, editsOf } from '#conflict/edit-list.ts';
import type { EditList } from '#conflict/edit-list.ts';

/** A sequence as it was when its edits begin to matter, and those edits. */
export interface DocumentEdits {
  readonly value: PgText;
  readonly list: EditList | null;
  readonly has: (by: TransactionHeader) => boolean;
}

/** The whole value's document: the deciding assignment's with the edits made to it, or the stored one. */
export function documentEdits(column: ColumnState, base: Base, path: string): DocumentEdits {
  const winner = column.winner();
  const list = column.parts.edits.get(path) ?? null;
  if (winner === undefined) return { value: base.value, list, has: base.has };
  const made = madeTo(list, winner.by);
  if (base.holdsAssignments === true) return { value: base.value, list: made, has: base.has };
  return { value: winner.folded, list: made, has: () => false };
}

const filtered = new WeakMap<EditList, { by: TransactionHeader; list: EditList | null }>();

/** The edits by those who had seen the document that `birth` began. */
export function madeTo(list: EditList | null, birth: TransactionHeader): EditList | null {
  if (list === null) return null;
  const known = filtered.get(list);
  if (known !== undefined && sameDot(known.by, birth)) return known.list;
  const edits = editsOf(list);
  const made = edits.filter(({ by }) => happenedBefore(birth, by) && !sameDot(birth, by));
  const kept = made.length === edits.length ? list : editList(made);
  filtered.set(list, { by: birth, list: kept });
  return kept;
}
