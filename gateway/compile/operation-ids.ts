import { createHash } from 'node:crypto';
import { print } from 'graphql';
import type { Input } from '#gateway/compile/input.ts';
import { AFFECTED, WRITTEN } from '#gateway/compile/plan.ts';
import type { PlanStatement } from '#gateway/compile/plan.ts';
import type { Selected } from '#gateway/compile/selection.ts';
import type { Compilation } from '#gateway/compile/statement.ts';

export interface OperationStatements {
  /** Fails with a unique violation when the operation was done before. */
  readonly claim: PlanStatement;
  /** Remembers what it did. */
  readonly keep: PlanStatement;
  /** Puts what it did back to where the reading statement looks for it. */
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
    const field = root.field?.name ?? '';
    const text = createHash('sha256')
      .update(`${field} ${argumentsText(root)}`)
      .digest('hex');
    return compilation.parameter(() => text.slice(0, 32), 'text');
  };
  const statement = (text: string): PlanStatement => {
    return { text, parameters: compilation.takeParameters(), key: root.key };
  };
  // What is compiled before and after shares the parameters' counter: each statement takes its own.
  const claim = statement(`INSERT INTO ${table} (op_id, field) VALUES (${id()}, ${fingerprint()})`);
  const keep = statement(
    `UPDATE ${table} SET affected = current_setting('${AFFECTED}')::int4, keys = current_setting('${WRITTEN}')::jsonb WHERE op_id = ${id()}`,
  );
  const recall = statement(
    `SELECT set_config('${AFFECTED}', coalesce(o.affected, 0)::text, true), NULL, set_config('${WRITTEN}', coalesce(o.keys, '[]')::text, true), o.field = ${fingerprint()} FROM ${table} o WHERE o.op_id = ${id()}`,
  );
  return { claim, keep, recall };
}

function argumentsText(root: Selected): string {
  return root.nodes
    .map((node) => (node.arguments ?? []).map((arg) => print(arg)).join(','))
    .join(';');
}
