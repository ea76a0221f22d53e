import type { MutantName } from '#core/mutant.ts';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { drawUniverse } from '#sim/mutants/universe.ts';
import { judgeRun } from '#sim/run/judge-run.ts';
import { planRun } from '#sim/run/plan.ts';
import { runPlan } from '#sim/run/run-plan.ts';
import { createWorld } from '#sim/world/sim-world.ts';

/** How one mutant fared. */
export interface Standing {
  readonly mutant: MutantName;
  /** Seeds in which it was looked for. */
  readonly seeds: number;
  /** Seeds in which it was found. */
  readonly found: readonly number[];
  /** What gave it away, the first time: property ids. */
  readonly by: readonly string[];
}

export interface LeagueOptions {
  readonly mutants: readonly MutantName[];
  readonly firstSeed: number;
  readonly seeds: number;
  /** Stop looking for a mutant that was found in so many seeds. */
  readonly enough: number;
  readonly progress: (standing: Standing) => void;
}

/**
 * Plays the same universes with and without each bug. A bug is found in a seed when that run breaks a
 * property that the run without it keeps: what the healthy engine does is never held against a mutant.
 */
export async function playLeague(options: LeagueOptions): Promise<readonly Standing[]> {
  const healthy = new Map<number, ReadonlySet<string>>();
  const standings: Standing[] = [];
  for (const mutant of options.mutants) {
    const found: number[] = [];
    let by: readonly string[] = [];
    let seeds = 0;
    for (let at = 0; at < options.seeds && found.length < options.enough; at++) {
      const seed = options.firstSeed + at;
      const before = healthy.get(seed) ?? (await brokenIn(seed, null));
      healthy.set(seed, before);
      seeds++;
      const broken = [...(await brokenIn(seed, mutant))].filter((id) => !before.has(id));
      if (broken.length === 0) continue;
      found.push(seed);
      if (by.length === 0) by = broken;
    }
    const standing = { mutant, seeds, found, by };
    options.progress(standing);
    standings.push(standing);
  }
  return standings;
}

/** What a universe with this bug breaks: ids of properties, and findings of the simulator itself. */
async function brokenIn(seed: number, mutant: MutantName | null): Promise<ReadonlySet<string>> {
  const plan = planRun(drawUniverse(seed), seed, new SeededStreams(seed), mutant);
  const { reasons } = judgeRun(await runPlan(plan, createWorld), { kind: 'no' });
  const broken = reasons.filter(({ kind }) => kind === 'violated' || kind === 'harness');
  return new Set(broken.map(({ what }) => what));
}
