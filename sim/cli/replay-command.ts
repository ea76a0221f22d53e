import { systemClock } from '#replicator/system-ports.ts';
import type { Io } from '#deploy/cli/command.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { readPlan } from '#sim/cli/plan-file.ts';
import { versions } from '#sim/cli/run-command.ts';
import { runPage } from '#sim/report/run-page.ts';
import { playPlan } from '#sim/run/play.ts';
import { EXIT_CODES } from '#sim/run/report.ts';

export async function replayCommand(args: readonly string[], io: Io): Promise<number> {
  const { positionals } = parseFlags('replay', args, {}, 'words');
  const path = required('replay', 'FILE', positionals[0]);
  const plan = readPlan(path);
  const begunMs = systemClock.monotonicMs();
  const judged = await playPlan(plan, true);
  const wallMs = systemClock.monotonicMs() - begunMs;
  io.out(runPage(judged, { repeat: `sim replay ${path}`, versions: versions(), wallMs }));
  return EXIT_CODES[judged.outcome];
}
