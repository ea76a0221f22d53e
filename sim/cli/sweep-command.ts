import { systemClock } from '#replicator/system-ports.ts';
import type { Io } from '#deploy/cli/command.ts';
import { parseFlags } from '#deploy/cli/flags.ts';
import { count } from '#sim/cli/count-flag.ts';
import { EXIT_CODES } from '#sim/run/report.ts';
import { sweep } from '#sim/sweep/sweep.ts';

const PROGRESS_EVERY = 50;

export async function sweepCommand(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseFlags('sweep', args, {
    sample: { type: 'string' },
    seed: { type: 'string' },
  });
  const sample = values.sample === undefined ? null : count('sample', values.sample, 1);
  const begunMs = systemClock.monotonicMs();
  let done = 0;
  const { points, swept } = await sweep({
    seed: count('seed', values.seed, 1),
    sample,
    goOn: () => !io.signal.aborted,
    told: (total) => {
      done += 1;
      if (done % PROGRESS_EVERY === 0) io.err(`  ${done} of ${total} crash points\n`);
    },
  });
  const failed = swept.filter(({ judged }) => judged.outcome !== 'pass');
  const missed = swept.filter(({ crashed }) => !crashed).length;
  for (const { point, judged } of failed) {
    const [reason] = judged.reasons;
    io.out(
      `  ${point.process} call ${point.number} ${point.stage}: ${reason?.what ?? ''} ${reason?.text ?? ''}\n`,
    );
  }
  const seconds = ((systemClock.monotonicMs() - begunMs) / 1_000).toFixed(0);
  io.out(
    `sim sweep: ${swept.length} of ${points} crash points, ${failed.length} failed, ${missed} not met, in ${seconds} s\n`,
  );
  if (failed.length === 0) return EXIT_CODES.pass;
  return EXIT_CODES[failed[0]?.judged.outcome ?? 'violated'];
}
