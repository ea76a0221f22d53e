import type { PgText } from '#core/relation.ts';
import type { TransactionHeader } from '#core/transaction.ts';

/** What two writers did to each other. Recorded by name, so these never change. */
export const CONFLICT_KINDS = [
  'update-update',
  'insert-insert',
  'update-delete',
  'truncate',
  'unique',
] as const;
export type ConflictKind = (typeof CONFLICT_KINDS)[number];

/** One writer's part in a conflict. `value` is computed only if the record is written. */
export interface Contender {
  readonly by: TransactionHeader;
  readonly value: () => PgText;
  /** True for TRUNCATE, which wins against a concurrent change whatever the stamps say. */
  readonly prevails?: boolean;
}

/**
 * Where a merge says which pairs of concurrent writes lost information. The open pairs are those of
 * causally maximal writes, a set that depends only on which operations exist, not on their order of
 * arrival: a write that supersedes one side of a pair retracts the pair and, if it is itself
 * concurrent with the other side, takes its place (tests/conflict/key-state.prop.test.ts).
 */
export interface ConflictSink {
  add(column: string, kind: ConflictKind, left: Contender, right: Contender): void;
  retract(column: string, left: TransactionHeader, right: TransactionHeader): void;
}

export const IGNORE_CONFLICTS: ConflictSink = { add: () => undefined, retract: () => undefined };
