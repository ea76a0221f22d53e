import type { PgText } from '#core/relation.ts';
import { happenedBefore } from '#core/transaction.ts';
import type { Cell, PathWrite } from '#core/transaction.ts';
import { formatArray, parseArray } from '#conflict/array-text.ts';
import type { Element } from '#conflict/array-text.ts';
import type { ColumnState } from '#conflict/column-state.ts';
import type { Base, ColumnType, Verdict } from '#conflict/column-type.ts';
import type { PartWrite } from '#conflict/column-parts.ts';
import { latest } from '#conflict/families/register.ts';
import { compareOrdered } from '#conflict/ordered-text.ts';

// An element's path is its text behind a sign, so that NULL has one as well.
const NULL_PATH = '~';
const PRESENT = '';

/**
 * Observed-remove set: of a concurrent addition and removal of one element the addition stands, because
 * the remover had not seen it. Elements are told apart by their text. Kept in order and without doubles,
 * so that every region's table holds the same array. NULL is the empty set that is not there yet.
 */
export const setType: ColumnType = {
  text: 'set',
  joinsAssignments: true,
  diff(before, after): Cell | undefined {
    if (before === after) return undefined;
    const [was, is] = [elementsOf(before), elementsOf(after)];
    if (was === null || is === null) return setType.normal(after);
    const writes: PathWrite[] = [];
    for (const element of was) if (!is.has(element)) writes.push([pathOf(element), null]);
    for (const element of is) if (!was.has(element)) writes.push([pathOf(element), PRESENT]);
    return { kind: 'patch', writes, edits: [] };
  },
  normal(value) {
    const elements = elementsOf(value);
    return elements === null ? value : sortedArray(elements);
  },
  askew: (_, after) => after !== setType.normal(after),
  apply(value, delta) {
    if (delta.kind !== 'patch') return value;
    const elements = new Set(elementsOf(value));
    for (const [path, present] of delta.writes) {
      if (present === null) elements.delete(elementOf(path));
      else elements.add(elementOf(path));
    }
    return value === null && elements.size === 0 ? null : sortedArray(elements);
  },
  project: (column, base) => project(column, base),
  judge(left, right): Verdict {
    if (left === right || (elementsOf(left) !== null && elementsOf(right) !== null)) return 'agree';
    if (left === null || right === null) return left === null ? 'right' : 'left';
    return 'stamp';
  },
  judgePart(left, right): Verdict {
    if (left === right) return 'agree';
    return left === null ? 'right' : 'left';
  },
};

interface WholeSet {
  readonly by: PartWrite['by'];
  readonly elements: ReadonlySet<Element>;
}

function project(column: ColumnState, base: Base): PgText {
  const { writes } = column.assignments;
  const wholes = writes.flatMap(({ by, folded }): readonly WholeSet[] => {
    const elements = folded === null ? new Set<Element>() : elementsOf(folded);
    return elements === null ? [] : [{ by, elements }];
  });
  const beginnings = column.beginnings(base);
  const winner = latest(beginnings);
  const stored = winner === undefined ? base.value : winner.folded;
  // An array of several dimensions is no set: it stands as it was written.
  if (stored !== null && elementsOf(stored) === null) return stored;
  const elements = new Set<Element>(beginnings.length === 0 ? elementsOf(stored) : []);
  if (beginnings.length > 0) {
    for (const whole of wholes) for (const element of whole.elements) elements.add(element);
  }
  let touched = false;
  for (const [path, { writes: parts }] of column.parts.registers) {
    const standing = parts.filter((part) => !wholes.some(({ by }) => happenedBefore(part.by, by)));
    if (standing.length === 0) continue;
    touched = true;
    const element = elementOf(path);
    if (isPresent(element, standing, wholes)) elements.add(element);
    else elements.delete(element);
  }
  // Who changed a part saw a set, if an empty one.
  const isNull = beginnings.length === 0 ? stored === null : writes.every((w) => w.folded === null);
  return elements.size === 0 && isNull && !touched ? null : sortedArray(elements);
}

/** Some write that nobody has seen past says that the element is there. */
function isPresent(
  element: Element,
  standing: readonly PartWrite[],
  wholes: readonly WholeSet[],
): boolean {
  if (standing.some(({ value }) => value !== null)) return true;
  return wholes.some(
    ({ by, elements }) =>
      elements.has(element) && !standing.some((part) => happenedBefore(by, part.by)),
  );
}

function elementsOf(value: PgText): ReadonlySet<Element> | null {
  const elements = value === null ? null : parseArray(value);
  return elements === null ? null : new Set(elements);
}

function sortedArray(elements: Iterable<Element>): string {
  return formatArray([...elements].toSorted(compareElements));
}

const NUMBER = /^-?\d+(\.\d+)?$/;

/** Numbers by their value, then everything else by code unit, NULL last; equal numbers by their text. */
function compareElements(left: Element, right: Element): number {
  if (left === right) return 0;
  if (left === null || right === null) return left === null ? 1 : -1;
  const [a, b] = [NUMBER.test(left), NUMBER.test(right)];
  if (a !== b) return a ? -1 : 1;
  const difference = a ? compareOrdered(left, right) : 0;
  if (difference !== 0) return difference;
  return left < right ? -1 : 1;
}

function pathOf(element: Element): string {
  return element === null ? NULL_PATH : `=${element}`;
}

function elementOf(path: string): Element {
  return path === NULL_PATH ? null : path.slice(1);
}
