import { systemClock } from '#replicator/system-ports.ts';
import { writeFileSync } from 'node:fs';
import type { Io } from '#deploy/cli/command.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { readPlan } from '#sim/cli/plan-file.ts';
import { versions } from '#sim/cli/run-command.ts';
import { runPage } from '#sim/report/run-page.ts';
import { playPlan } from '#sim/run/play.ts';
import { EXIT_CODES } from '#sim/run/report.ts';
import { shrinkPlan } from '#sim/shrink/shrink-plan.ts';

const BUDGET_MS = 90_000;

export async function shrinkCommand(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags('shrink', args, { out: { type: 'string' } }, 'words');
  const path = required('shrink', 'FILE', positionals[0]);
  const out = values.out ?? path.replace(/(\.json)?$/, '.small.json');
  const plan = readPlan(path);
  const first = await playPlan(plan);
  const [reason] = first.reasons;
  if (reason === undefined) {
    io.out(`${path} passes: there is nothing to shrink.\n`);
    return EXIT_CODES.pass;
  }
  const begunMs = systemClock.monotonicMs();
  const { smallest, tried } = await shrinkPlan({
    plan,
    signature: reason.signature,
    play: async (candidate) =>
      (await playPlan(candidate)).reasons.map(({ signature }) => signature),
    goOn: () => systemClock.monotonicMs() - begunMs < BUDGET_MS && !io.signal.aborted,
    told: (text) => io.err(`  ${text}\n`),
  });
  writeFileSync(out, `${JSON.stringify(smallest, null, 1)}\n`);
  const judged = await playPlan(smallest);
  const wallMs = systemClock.monotonicMs() - begunMs;
  io.out(runPage(judged, { repeat: `sim replay ${out}`, versions: versions(), wallMs }));
  io.out(
    `  shrunk ${plan.faults.length} faults -> ${smallest.faults.length}, ` +
      `${plan.operations.length} operations -> ${smallest.operations.length}, ` +
      `in ${tried} runs.  replay: sim replay ${out}\n`,
  );
  return EXIT_CODES[judged.outcome];
}
