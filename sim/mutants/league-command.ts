import { EverywriteError } from '#core/errors.ts';
import type { MutantName } from '#core/mutant.ts';
import { playLeague } from '#sim/mutants/league.ts';
import type { Standing } from '#sim/mutants/league.ts';
import { MUTANT_NAMES, MUTANTS } from '#sim/mutants/mutants.ts';

export interface LeagueCommand {
  /** Null: all. */
  readonly mutants: readonly string[] | null;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly enough: number;
}

const NAME_WIDTH = 30;

/** Prints a line per mutant as it is found or survives; the exit code is 1 when one survives. */
export async function mutantsCommand(
  command: LeagueCommand,
  print: (line: string) => void,
): Promise<number> {
  const { firstSeed, seeds, enough } = command;
  const mutants = command.mutants?.map(known) ?? MUTANT_NAMES;
  const progress = (standing: Standing): void => print(lineOf(standing));
  const standings = await playLeague({ mutants, firstSeed, seeds, enough, progress });
  const survivors = standings.filter(({ found }) => found.length === 0);
  for (const { mutant } of survivors) {
    const { breaks, rule } = MUTANTS[mutant];
    print(`  survived: ${mutant}: ${breaks} (${rule})`);
  }
  print(`${standings.length - survivors.length} of ${standings.length} mutants found`);
  return survivors.length === 0 ? 0 : 1;
}

function lineOf({ mutant, seeds, found, by }: Standing): string {
  const where =
    found.length === 0
      ? `not found in ${seeds} seeds`
      : `found in ${found.length} of ${seeds} seeds, first ${found[0] ?? 0} by ${by.join(' ')}`;
  return `${mutant.padEnd(NAME_WIDTH)} ${where}`;
}

function known(name: string): MutantName {
  const found = MUTANT_NAMES.find((mutant) => mutant === name);
  if (found !== undefined) return found;
  throw new EverywriteError({
    code: 'USAGE',
    recovery: 'operator',
    message: `There is no mutant "${name}"; allowed are ${MUTANT_NAMES.join(', ')}.`,
  });
}
