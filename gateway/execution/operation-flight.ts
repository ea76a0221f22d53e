import type { PlanStatement } from '#gateway/compile/plan.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import type { FlightAnswers, FlightHook, Principal } from '#gateway/execution/request.ts';
import type { FlightPlan, FlightResult } from '#gateway/pg/flight.ts';
import type { Rows, Sql } from '#gateway/pg/sql-text.ts';

const AS_ASKED = `SELECT set_config('transaction_read_only', $1, true), set_config('request.jwt.claims', $2, true)`;
const AS_ROLE = `${AS_ASKED}, set_config('role', $3, true)`;

/** Who asks, and whether anything may be changed: for this transaction only. */
export function identity(kind: 'query' | 'mutation', { role, claims }: Principal): Sql {
  const values = [kind === 'query' ? 'on' : 'off', claims];
  return role === null ? { text: AS_ASKED, values } : { text: AS_ROLE, values: [...values, role] };
}

export function flightOf(
  kind: 'query' | 'mutation',
  statements: readonly PlanStatement[],
  variables: VariableValues,
  principal: Principal,
  hook: FlightHook | undefined,
): FlightPlan {
  return {
    transaction: [
      identity(kind, principal),
      ...(hook?.before ?? []),
      ...statements.map(({ text, parameters }) => ({
        text,
        values: parameters.map((parameter) => parameter(variables)),
      })),
      ...(hook?.after ?? []),
    ],
    afterCommit: hook?.afterCommit ?? [],
  };
}

/** How many statements stand in front of the operation's own. */
export function statementsBefore(hook: FlightHook | undefined): number {
  return 1 + (hook?.before?.length ?? 0);
}

export function rowsOf(
  { transaction, afterCommit }: FlightResult,
  count: number,
  hook: FlightHook | undefined,
): { readonly rows: readonly Rows[]; readonly answers: FlightAnswers } {
  const first = statementsBefore(hook);
  return {
    rows: transaction.slice(first, first + count),
    answers: {
      before: transaction.slice(1, first),
      after: transaction.slice(first + count),
      afterCommit,
    },
  };
}
