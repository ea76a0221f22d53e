import { createHash } from 'node:crypto';
import type { Input } from '#gateway/compile/input.ts';
import { AFFECTED, WRITTEN } from '#gateway/compile/plan.ts';
import type { PlanStatement } from '#gateway/compile/plan.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import type { UniqueModel } from '#gateway/model/schema-model.ts';

export interface OperationStatements {
  /** Fails with a unique violation when the operation was done before. */
  readonly claim: PlanStatement;
  /** Remembers what it did. */
  readonly keep: PlanStatement;
  /**
   * Puts what it did back to where the reading statement looks for it. Raises when something else was
   * done under the id: by the logarithm of zero, whose state nothing else has.
   */
  readonly recall: PlanStatement;
}

/**
 * An operation's id is a row of a replicated table, claimed in the transaction of the change. So the
 * change counts once in this region whatever is retried, and once in every region that has received it.
 */
export function operationStatements(
  root: Selected,
  table: string,
  opId: Input,
  compilation: Compilation,
): OperationStatements {
  const id = (): string => compilation.parameter((now) => String(opId.read(now)), 'uuid');
  const fingerprint = (): string => {
    return compilation.parameter((now) => fingerprintOf(root, now), 'text');
  };
  const statement = (text: string): PlanStatement => {
    return { ...compilation.statement(text), key: root.key };
  };
  // What is compiled before and after shares the parameters' counter: each statement takes its own.
  const claim = statement(`INSERT INTO ${table} (op_id, field) VALUES (${id()}, ${fingerprint()})`);
  const keep = statement(
    `UPDATE ${table} SET affected = current_setting('${AFFECTED}')::int4, keys = current_setting('${WRITTEN}')::jsonb WHERE op_id = ${id()}`,
  );
  const recall = statement(
    `SELECT set_config('${AFFECTED}', coalesce(o.affected, 0)::text, true), NULL, set_config('${WRITTEN}', coalesce(o.keys, '[]')::text, true), ln(CASE WHEN o.field = ${fingerprint()} THEN 1 ELSE 0 END) FROM ${table} o WHERE o.op_id = ${id()}`,
  );
  return { claim, keep, recall };
}

/** What was asked for under the id: another change under the same one is a mistake that is told. */
function fingerprintOf(root: Selected, variables: VariableValues): string {
  const values = [...root.arguments].map(([name, input]) => {
    if (name !== 'onConflict') return [name, input.read(variables)];
    return [name, (input.value as UniqueModel | null)?.target];
  });
  const text = JSON.stringify([root.field?.name, values]);
  return createHash('sha256').update(text).digest('base64url');
}
