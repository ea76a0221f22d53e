import type { PgText } from '#core/relation.ts';
import type { Cell, DeltaCell, TransactionHeader } from '#core/transaction.ts';
import type { ColumnState } from '#conflict/column-state.ts';

/** A value that operations are to be added to, and which operations are in it already. */
export interface Base {
  readonly value: PgText;
  readonly has: (by: TransactionHeader) => boolean;
  /** The image of a deleted row, which has all that the assignments come to, too. */
  readonly holdsAssignments?: boolean;
}

/** No value, and nothing in it. */
export const NO_BASE: Base = { value: null, has: () => false };

/** A value from before all operations. */
export function onTopOf(value: PgText): Base {
  return { value, has: () => false };
}

/** Whose side a concurrent pair of values takes; `stamp`: the later one's; `agree`: nothing is lost. */
export type Verdict = 'agree' | 'left' | 'right' | 'stamp';

/**
 * A column type: how SQL is read, and what concurrent writes add up to. `ColumnState` keeps the writes
 * (assignments, amounts, parts by path, edits of sequences) and knows nothing of what they mean.
 *
 * Laws, held for every type by tests/conflict/column-types.prop.test.ts:
 * - what `diff` reads off an UPDATE, `apply` puts back: apply(before, diff(before, after)) = normal(after),
 *   unless the type keeps the value from going there (a maximum does not fall);
 * - diff(v, v) is undefined, and normal(normal(v)) = normal(v);
 * - `project` depends on the set of writes only, not on their order of arrival.
 */
export interface ColumnType {
  /** As it is declared (core/column-type-text.ts). */
  readonly text: string;
  /** What an UPDATE from `before` to `after` meant; undefined when nothing changed. */
  diff(before: PgText, after: PgText): Cell | undefined;
  /** The one text for a value: what every region's table holds. */
  normal(value: PgText): PgText;
  /** `value` as somebody left it who saw exactly this and changed it so. */
  apply(value: PgText, delta: DeltaCell): PgText;
  /** What the writes add up to. */
  project(column: ColumnState, base: Base): PgText;
  /** Whether two concurrent assignments lose information to each other, and which one stands. */
  judge(left: PgText, right: PgText): Verdict;
  /** The same for two concurrent values of one part. */
  judgePart(left: string | null, right: string | null): Verdict;
  /** True when a writer's own table may show something else than what the type makes of `after`. */
  readonly askew?: (before: PgText, after: PgText) => boolean;
  /** True when all assignments that nobody has seen past count, not only the latest. */
  readonly joinsAssignments: boolean;
}

/** Narrows a cell: assignments are plain text or NULL. */
export function isDelta(cell: Cell): cell is DeltaCell {
  return typeof cell === 'object' && cell !== null;
}
