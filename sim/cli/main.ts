import { EverywriteError } from '#core/errors.ts';
import { usageError } from '#deploy/cli/flags.ts';
import type { Io } from '#deploy/cli/command.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { listCommand } from '#sim/cli/list-command.ts';
import { mutantsCommand } from '#sim/cli/mutants-command.ts';
import { replayCommand } from '#sim/cli/replay-command.ts';
import { runCommand } from '#sim/cli/run-command.ts';
import { shrinkCommand } from '#sim/cli/shrink-command.ts';
import { swarmCommand } from '#sim/cli/swarm-command.ts';
import { sweepCommand } from '#sim/cli/sweep-command.ts';
import { EXIT_CODES } from '#sim/run/report.ts';

const HELP = `sim: production code in virtual time, against simulated servers, from one seed

Usage:
  sim run SCENARIO [--seed N | --seeds N] [--twice] [--json] [--report FILE.html] [--set path=value …]
  sim list [faults|properties|scenarios|workloads]
  sim swarm [--seeds N] [--minutes M] [--from SEED]   everything drawn from the seed
  sim sweep [--sample N]          a crash at every port call: before it, after its effect, after its reply
  sim mutants [--only NAME,…] [--seeds N] [--enough N]   bugs planted in the engine: which are found
  sim replay FILE                 a run that was written down
  sim shrink FILE [--out FILE]    the smallest part of it that fails the same way

SCENARIO is a name of "sim list scenarios", or a file (YAML or JSON; sim/SIMULATOR.md).

Exit codes:
  0  every property held and every objective was met
  1  a property was violated
  2  unknown: the run proves nothing (it did too little, or nothing could be judged)
  3  not deterministic: the same seed gave two runs
  4  the simulator, the scenario or the command line is wrong
  5  safe, but an objective (RPO, RTO) was missed
`;

const COMMANDS = {
  run: runCommand,
  list: listCommand,
  swarm: swarmCommand,
  sweep: sweepCommand,
  mutants: mutantsCommand,
  replay: replayCommand,
  shrink: shrinkCommand,
} as const;

/** Runs one command line; resolves to the exit code and never rejects. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help' || rest.includes('--help')) {
    io.out(HELP);
    return EXIT_CODES.pass;
  }
  try {
    const found = Object.entries(COMMANDS).find(([command]) => command === name);
    if (found === undefined) {
      const names = Object.keys(COMMANDS);
      throw usageError(
        `There is no command "${name}"; there are ${names.join(', ')}.${didYouMean(name, names)}`,
      );
    }
    return await found[1](rest, io);
  } catch (error) {
    const code = error instanceof EverywriteError ? error.code : 'UNEXPECTED';
    const message = error instanceof Error ? error.message : String(error);
    if (args.includes('--json')) io.out(`${JSON.stringify({ error: { code, message } })}\n`);
    io.err(`error ${code}: ${message}\n`);
    if (io.env['EVERYWRITE_DEBUG'] === '1' && error instanceof Error)
      io.err(`${error.stack ?? ''}\n`);
    return EXIT_CODES.harness;
  }
}

if (import.meta.main) {
  const abort = new AbortController();
  process.on('SIGINT', () => abort.abort('SIGINT'));
  process.on('SIGTERM', () => abort.abort('SIGTERM'));
  process.exitCode = await main(process.argv.slice(2), {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    signal: abort.signal,
  });
}
