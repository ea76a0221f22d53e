import type { Source } from '#gateway/compile/selection.ts';
import type { VariableValues } from '#gateway/compile/variables.ts';
import { GatewayError } from '#gateway/errors.ts';

/** The text of one parameter, from the variables of a request. */
export type ParameterText = (variables: VariableValues) => string | null;

export interface RowLimits {
  /** What a list has when it is not told how many. */
  readonly defaultRows: number;
  /** The most that one list may ask for. */
  readonly maxRows: number;
}

/** How many rows a list may give, times what hangs on each. */
interface CostNode {
  readonly rows: (variables: VariableValues) => number;
  readonly children: CostNode[];
}

/** What grows while one operation is compiled: parameters, names, checks, cost. */
export class Compilation {
  readonly source: Source;
  readonly limits: RowLimits;
  readonly checks: ((variables: VariableValues) => void)[] = [];
  #parameters: ParameterText[] = [];
  #aliases = 0;
  readonly #cost: CostNode = { rows: () => 1, children: [] };
  #costAt = this.#cost;

  constructor(source: Source, limits: RowLimits) {
    this.source = source;
    this.limits = limits;
  }

  alias(): string {
    this.#aliases += 1;
    return `t${this.#aliases}`;
  }

  /** `$3::"pg_catalog"."int4"`. */
  parameter(text: ParameterText, sqlType: string): string {
    this.#parameters.push(text);
    return `$${this.#parameters.length}::${sqlType}`;
  }

  /** The parameters since the last call: those of one statement. */
  takeParameters(): readonly ParameterText[] {
    const taken = this.#parameters;
    this.#parameters = [];
    return taken;
  }

  /** Counts what `inside` compiles once for each of `rows`. */
  perRow<Result>(rows: CostNode['rows'], inside: () => Result): Result {
    const node: CostNode = { rows, children: [] };
    const above = this.#costAt;
    above.children.push(node);
    this.#costAt = node;
    try {
      return inside();
    } finally {
      this.#costAt = above;
    }
  }

  /** Rows that the operation may read, at most. */
  cost(): (variables: VariableValues) => number {
    const of = (node: CostNode, variables: VariableValues): number => {
      const each = node.children.reduce((sum, child) => sum + of(child, variables), 1);
      return node.rows(variables) * each;
    };
    return (variables) => of(this.#cost, variables) - 1;
  }
}

export function badInput(message: string): GatewayError {
  return new GatewayError({ code: 'BAD_USER_INPUT', message });
}
