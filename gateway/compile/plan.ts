import type { ParameterText } from '#gateway/compile/statement.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import type { Rows } from '#gateway/pg/sql-text.ts';

/** One SQL statement of a plan. */
export interface PlanStatement {
  readonly text: string;
  readonly parameters: readonly ParameterText[];
  /** The response key that it works for; what fails here fails there. Null for all keys. */
  readonly key: string | null;
}

/** Where the keys of what a statement wrote wait for the next one of the same transaction. */
export const WRITTEN = 'everywrite.written';
export const AFFECTED = 'everywrite.affected';

/** The place in the answer where the causal token will stand, known only after COMMIT. */
export const TOKEN_SLOT = { kind: 'token' } as const;
export type Piece = string | typeof TOKEN_SLOT;

/** One field of `data`: its JSON out of the answers of all statements. */
export interface RootPart {
  readonly key: string;
  readonly write: (answers: readonly Rows[], variables: VariableValues) => readonly Piece[];
}

/** An operation, compiled: executed any number of times with variables of the same shape. */
export interface Plan {
  readonly kind: 'query' | 'mutation';
  readonly statements: readonly PlanStatement[];
  readonly parts: readonly RootPart[];
  /** Each throws what is wrong with these variables. */
  readonly checks: readonly ((variables: VariableValues) => void)[];
  readonly cost: (variables: VariableValues) => number;
  /** Null when no change of it has an operation id. */
  readonly replay: Replay | null;
}

/** How an operation whose ids were seen before answers again without changing anything. */
export interface Replay {
  readonly statements: readonly PlanStatement[];
  readonly parts: readonly RootPart[];
}
