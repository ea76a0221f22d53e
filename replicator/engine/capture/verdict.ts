import type { PgText, Relation } from '#core/relation.ts';
import { rowKey } from '#core/row-key.ts';
import type { DeleteOp, UniqueVerdict } from '#core/transaction.ts';

/** The message by which apply hands capture an operation of its own (emitVerdict). */
export const VERDICT_PREFIX = 'everywrite:verdict';

export function formatVerdict(
  relation: Relation,
  values: readonly PgText[],
  cause: UniqueVerdict,
): string {
  return JSON.stringify({ relation, values, cause });
}

export function parseVerdict(content: Uint8Array): DeleteOp {
  const { relation, values, cause } = JSON.parse(new TextDecoder().decode(content)) as {
    readonly relation: Relation;
    readonly values: readonly PgText[];
    readonly cause: UniqueVerdict;
  };
  return { kind: 'delete', relation, key: rowKey(relation, values), values, cause };
}
