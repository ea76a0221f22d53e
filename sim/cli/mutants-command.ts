import type { Io } from '#deploy/cli/command.ts';
import { parseFlags } from '#deploy/cli/flags.ts';
import { count } from '#sim/cli/count-flag.ts';
import { mutantsCommand as playMutants } from '#sim/mutants/league-command.ts';

const SEEDS_DEFAULT = 100;

/** The league: exit code 1 when a planted bug is found in no seed. */
export async function mutantsCommand(args: readonly string[], io: Io): Promise<number> {
  const { values } = parseFlags('mutants', args, {
    seeds: { type: 'string' },
    from: { type: 'string' },
    enough: { type: 'string' },
    only: { type: 'string' },
  });
  const command = {
    mutants: values.only?.split(',') ?? null,
    firstSeed: count('from', values.from, 1),
    seeds: count('seeds', values.seeds, SEEDS_DEFAULT),
    enough: count('enough', values.enough, 1),
  };
  return playMutants(command, (line) => io.out(`${line}\n`));
}
