import { systemClock } from '#replicator/system-ports.ts';
import type { Io } from '#deploy/cli/command.ts';
import { parseFlags } from '#deploy/cli/flags.ts';
import { count } from '#sim/cli/count-flag.ts';
import { many } from '#sim/cli/many-seeds.ts';
import { versions, writePlan } from '#sim/cli/run-command.ts';
import { runPage } from '#sim/report/run-page.ts';
import { playScenario } from '#sim/run/play.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { drawScenario } from '#sim/swarm/draw-scenario.ts';

/** Every so-manyth run is run twice. */
const TWICE_EVERY = 20;
const SEEDS_DEFAULT = 100;

export async function swarmCommand(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseFlags('swarm', args, {
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    from: { type: 'string' },
  });
  const minutes = values.minutes === undefined ? null : count('minutes', values.minutes, 1);
  const seeds = count('seeds', values.seeds, minutes === null ? SEEDS_DEFAULT : 1_000_000);
  const from = count('from', values.from, 1);
  const play = async (seed: number): Promise<JudgedRun> => {
    const begunMs = systemClock.monotonicMs();
    const judged = await playScenario(drawScenario(seed), seed, seed % TWICE_EVERY === 0);
    const wallMs = systemClock.monotonicMs() - begunMs;
    const repeat = `sim swarm --seeds 1 --from ${seed}`;
    // A single seed is asked for to be looked at.
    if (seeds === 1) io.out(runPage(judged, { repeat, versions: versions(), wallMs }));
    if (judged.outcome === 'violated')
      io.err(`  seed ${seed}: ${judged.reasons[0]?.signature ?? ''}; ${writePlan(judged)}\n`);
    return judged;
  };
  const untilMs = minutes === null ? null : systemClock.monotonicMs() + minutes * 60_000;
  return many({ from, seeds, untilMs, play, io, label: 'sim swarm' });
}
