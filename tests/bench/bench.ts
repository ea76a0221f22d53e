import type { Figure } from './figure.ts';
import type { EverywritePair } from './everywrite-pair.ts';
import type { Load } from './load.ts';
import type { NativePair } from './native-pair.ts';
import type { Node } from './node.ts';
import type { BenchOptions } from './options.ts';
import type { Pair } from './pair.ts';

/** Everything that a part of the benchmark works on. */
export interface Bench {
  readonly options: BenchOptions;
  readonly ours: EverywritePair;
  readonly native: NativePair;
  /** A server that replicates with nobody. */
  readonly alone: Node;
  readonly load: Load;
  /** On the clock of `performance.now()`: then no further run begins. */
  readonly deadlineMs: number;
  progress(line: string): void;
}

export interface Part {
  readonly name: string;
  run(bench: Bench): Promise<readonly Figure[]>;
}

/** Results of every run, ours and native's, in the order of the runs. */
export interface Both<Result> {
  readonly ours: readonly Result[];
  readonly native: readonly Result[];
}

/** Measures both as often as asked for, the one and the other first in turn. */
export async function alternate<Result>(
  bench: Bench,
  measure: (pair: Pair) => Promise<Result>,
): Promise<Both<Result>> {
  const results = { ours: [] as Result[], native: [] as Result[] };
  for (const run of runsOf(bench)) {
    const pairs = [bench.ours, bench.native];
    for (const pair of run % 2 === 0 ? pairs : pairs.toReversed()) {
      results[pair.name].push(await measure(pair));
    }
  }
  return results;
}

/** Numbers of the runs: one at least, the others as long as there is time. */
export function* runsOf({ options, deadlineMs }: Bench): Generator<number> {
  for (let run = 0; run < options.runs; run += 1) {
    if (run > 0 && performance.now() > deadlineMs) return;
    yield run;
  }
}

/** The same number of every run's result. */
export function each<Result>(
  { ours, native }: Both<Result>,
  pick: (result: Result) => number,
): { readonly ours: readonly number[]; readonly native: readonly number[] } {
  return { ours: ours.map(pick), native: native.map(pick) };
}
