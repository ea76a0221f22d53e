import { expect, test } from 'vitest';
import { mutantsCommand } from '#sim/mutants/league-command.ts';

/** One universe gives these away: a simulator that has grown blind is told so at once. */
const SEED = 2;
const FOUND = [
  'causal-order-ignored',
  'conflict-unrecorded',
  'counter-as-value',
  'dependencies-dropped',
  'own-writes-captured',
  'winner-by-arrival',
] as const;

test('bugs planted in the engine are found', async () => {
  const lines: string[] = [];
  const command = { mutants: FOUND, firstSeed: SEED, seeds: 1, enough: 1 };
  expect(await mutantsCommand(command, (line) => lines.push(line)), lines.join('\n')).toBe(0);
  expect(lines.at(-1)).toBe(`${FOUND.length} of ${FOUND.length} mutants found`);
});

test('a mutant that does not exist is answered with those that do', async () => {
  const command = { mutants: ['fence-of'], firstSeed: 1, seeds: 1, enough: 1 };
  await expect(mutantsCommand(command, () => undefined)).rejects.toThrow(/fence-off/);
});
