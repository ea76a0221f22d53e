import { happenedBefore } from '#core/transaction.ts';
import type { SequenceEdit, TransactionHeader } from '#core/transaction.ts';
import { sequenceOf } from '#core/version-vector.ts';
import type { IsStable } from '#conflict/frontier.ts';

/**
 * The unstable edits of one sequence, newest first; a linked list for the reason that deltas are one. In
 * causal order: an edit comes after all that its writer had seen.
 */
export interface EditList {
  readonly by: TransactionHeader;
  readonly edit: SequenceEdit;
  readonly rest: EditList | null;
  /** Each edit up to here had seen all before it: positions hold as they are. */
  readonly linear: boolean;
}

export function withEdit(
  rest: EditList | null,
  by: TransactionHeader,
  edit: SequenceEdit,
): EditList {
  return { by, edit, rest, linear: rest === null || (rest.linear && happenedBefore(rest.by, by)) };
}

/** Oldest first. */
export function editsOf(list: EditList | null): readonly EditList[] {
  const edits: EditList[] = [];
  for (let at = list; at !== null; at = at.rest) edits.push(at);
  return edits.toReversed();
}

/** A list of these, given oldest first. */
export function editList(edits: readonly Pick<EditList, 'by' | 'edit'>[]): EditList | null {
  return edits.reduce<EditList | null>((rest, { by, edit }) => withEdit(rest, by, edit), null);
}

/**
 * Without those that are stable and that every other edit has seen: the positions of the rest are those
 * of a text in which the forgotten ones are done. What some other edit has not seen stays, because both
 * are needed to tell where it belongs.
 */
export function forgetSeen(list: EditList | null, isStable: IsStable): EditList | null {
  const kept = new Set<EditList>();
  const edits = editsOf(list);
  /** Per replica, what every kept edit's writer had seen of it. */
  const seenByAll = new Map(edits.map(({ by }) => [by.replica, Infinity]));
  for (let more = true; more;) {
    more = false;
    for (const edit of edits) {
      const { by } = edit;
      const forgotten = isStable(by) && by.sequence <= (seenByAll.get(by.replica) ?? 0);
      if (forgotten || kept.has(edit)) continue;
      kept.add(edit);
      more = true;
      for (const [replica, least] of seenByAll) {
        const seen = replica === by.replica ? by.sequence : sequenceOf(by.deps, replica);
        if (seen < least) seenByAll.set(replica, seen);
      }
    }
  }
  if (kept.size === edits.length) return list;
  return editList(edits.filter((edit) => kept.has(edit)));
}
