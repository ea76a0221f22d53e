import type { PgText } from '#core/relation.ts';
import type { Cell, DeltaCell, PathWrite, SequenceEdit } from '#core/transaction.ts';
import type { ColumnState } from '#conflict/column-state.ts';
import type { Base, ColumnType } from '#conflict/column-type.ts';
import { editedTree, patchedTree, projectTree, textsOf } from '#conflict/families/document-tree.ts';
import { documentEdits } from '#conflict/families/document-base.ts';
import { byStamp } from '#conflict/families/register.ts';
import { formatJson, parseJson } from '#conflict/json-tree.ts';
import type { JsonTree } from '#conflict/json-tree.ts';
import { pathOf, WHOLE_VALUE } from '#conflict/path.ts';
import { mergedSequence, splicedSequence } from '#conflict/sequence.ts';
import { sequenceSplices, textSplices } from '#conflict/sequence-diff.ts';

const documentType = {
  joinsAssignments: false,
  normal: (value: PgText) => value,
  judge: byStamp,
  judgePart: byStamp,
};

/**
 * A text in which concurrent edits stand beside each other. A document begins with the assignment that
 * made it (an INSERT, NULL → text); edits of another one are no part of it.
 */
export const textType: ColumnType = {
  ...documentType,
  text: 'text',
  diff(before, after): Cell | undefined {
    if (before === after) return undefined;
    if (before === null || after === null) return after;
    const edit: SequenceEdit = [WHOLE_VALUE, before.length, textSplices(before, after)];
    return { kind: 'patch', writes: [], edits: [edit] };
  },
  apply(value, delta) {
    if (value === null || delta.kind !== 'patch') return value;
    return delta.edits.reduce((text, [, , splices]) => splicedSequence(text, splices), value);
  },
  project(column: ColumnState, base: Base) {
    const { value, list, has } = documentEdits(column, base, WHOLE_VALUE);
    return value === null ? null : mergedSequence(value, list, has);
  },
};

/** What of an object or array is merged by its parts, instead of being replaced whole. */
interface Shape {
  readonly objects: boolean;
  readonly arrays: boolean;
}

/** Every key of a jsonb object, nested ones too, is a register of its own. */
export const mapType = treeType('map', { objects: true, arrays: false });
/** Elements of a jsonb array are inserted and deleted beside each other; each is replaced whole. */
export const listType = treeType('list', { objects: false, arrays: true });
/** Both, at every depth that keys lead to. */
export const jsonType = treeType('json', { objects: true, arrays: true });

function treeType(text: string, shape: Shape): ColumnType {
  return {
    ...documentType,
    text,
    diff(before, after): Cell | undefined {
      if (before === after) return undefined;
      if (before === null || after === null) return after;
      const writes: PathWrite[] = [];
      const edits: SequenceEdit[] = [];
      const [was, is] = [parseJson(before), parseJson(after)];
      if (!isComposed(was, shape) || was.kind !== is.kind) return after;
      compare([], was, is, shape, { writes, edits });
      return { kind: 'patch', writes, edits };
    },
    apply: (value, delta) => applied(value, delta),
    project(column, base) {
      const tree = projectTree(column, base);
      return tree === undefined ? null : formatJson(tree);
    },
  };
}

function applied(value: PgText, delta: DeltaCell): PgText {
  if (delta.kind !== 'patch') return value;
  let tree: JsonTree | undefined = value === null ? undefined : parseJson(value);
  for (const [path, part] of delta.writes) tree = patchedTree(tree, path, part);
  for (const [path, , splices] of delta.edits) {
    tree = editedTree(tree, path, (items) => splicedSequence(items, splices));
  }
  return tree === undefined ? null : formatJson(tree);
}

function isComposed(tree: JsonTree, shape: Shape): boolean {
  return (tree.kind === 'object' && shape.objects) || (tree.kind === 'array' && shape.arrays);
}

/** What changed below `keys`. */
function compare(
  keys: readonly string[],
  was: JsonTree,
  is: JsonTree,
  shape: Shape,
  changes: { readonly writes: PathWrite[]; readonly edits: SequenceEdit[] },
): void {
  if (was.kind === 'object' && is.kind === 'object' && shape.objects) {
    for (const key of was.members.keys()) {
      if (!is.members.has(key)) changes.writes.push([pathOf([...keys, key]), null]);
    }
    for (const [key, member] of is.members) {
      const before = was.members.get(key);
      const path = [...keys, key];
      if (before === undefined) changes.writes.push([pathOf(path), formatJson(member)]);
      else compare(path, before, member, shape, changes);
    }
    return;
  }
  if (formatJson(was) === formatJson(is)) return;
  if (was.kind === 'array' && is.kind === 'array' && shape.arrays) {
    const [before, after] = [textsOf(was.items), textsOf(is.items)];
    changes.edits.push([pathOf(keys), before.length, sequenceSplices(before, after)]);
    return;
  }
  changes.writes.push([pathOf(keys), formatJson(is)]);
}
