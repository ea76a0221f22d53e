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

/** Stands in no identifier and no literal that we write. */
const MARK = '\u0001';
const MARKED = new RegExp(`${MARK}(\\d+)${MARK}`, 'g');

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

  /** A mark that `statement` turns into `$3`, and its type. */
  parameter(text: ParameterText, sqlType: string): string {
    this.#parameters.push(text);
    return `${MARK}${this.#parameters.length - 1}${MARK}::${sqlType}`;
  }

  /**
   * The finished statement, with the parameters since the last one. Only those that its text mentions: a
   * part that was compiled and then not needed would leave parameters of no type.
   */
  statement(marked: string): {
    readonly text: string;
    readonly parameters: readonly ParameterText[];
  } {
    const given = this.#parameters;
    this.#parameters = [];
    const used: ParameterText[] = [];
    const text = marked.replace(MARKED, (_, at: string) => {
      const parameter = given[Number(at)];
      if (parameter === undefined) throw new Error('a parameter of another statement');
      const known = used.indexOf(parameter);
      return `$${known >= 0 ? known + 1 : used.push(parameter)}`;
    });
    return { text, parameters: used };
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
