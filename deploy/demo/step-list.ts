import type { Step } from '#deploy/demo/progress.ts';

type Moment =
  | { readonly kind: 'to-do' }
  | { readonly kind: 'doing'; readonly since: number; readonly totalMs: number | null }
  | Extract<Step['state'], { readonly kind: 'done' }>;

interface Planned {
  readonly name: string;
  readonly what: string;
  state: Moment;
}

/** The demo's steps, and which of them is being done. */
export class StepList {
  readonly #steps: readonly Planned[];

  constructor(plan: readonly (readonly [name: string, what: string])[]) {
    this.#steps = plan.map(([name, what]) => ({ name, what, state: { kind: 'to-do' } }));
  }

  /** Begins a step; `totalMs` where its length is known. */
  begin(name: string, totalMs: number | null = null): void {
    this.#of(name).state = { kind: 'doing', since: performance.now(), totalMs };
  }

  end(name: string, result: string | null = null): void {
    const step = this.#of(name);
    const since = step.state.kind === 'doing' ? step.state.since : performance.now();
    step.state = { kind: 'done', elapsedMs: performance.now() - since, result };
  }

  /** Begins it, does it, ends it with what `work` says came of it. */
  async do<Result>(
    name: string,
    work: () => Promise<Result>,
    result: (of: Result) => string | null = () => null,
  ): Promise<Result> {
    this.begin(name);
    const outcome = await work();
    this.end(name, result(outcome));
    return outcome;
  }

  steps(): readonly Step[] {
    return this.#steps.map(({ name, what, state }) => {
      if (state.kind !== 'doing') return { name, what, state };
      const { since, totalMs } = state;
      return {
        name,
        what,
        state: { kind: 'doing', elapsedMs: performance.now() - since, totalMs },
      };
    });
  }

  #of(name: string): Planned {
    const step = this.#steps.find((one) => one.name === name);
    if (step === undefined) throw new RangeError(`no step ${name}`);
    return step;
  }
}
