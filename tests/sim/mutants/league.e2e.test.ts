import { expect, test } from 'vitest';
import { mutantsCommand } from '#sim/mutants/league-command.ts';

/** A seed in which each of them was found: a simulator that has grown blind is told so at once. */
const FOUND: readonly (readonly [mutant: string, seed: number])[] = [
  ['causal-order-ignored', 1],
  ['conflict-unrecorded', 1],
];

test.for(FOUND)('%s is found', async ([mutant, firstSeed]) => {
  const lines: string[] = [];
  const command = { mutants: [mutant], firstSeed, seeds: 3, enough: 1 };
  expect(await mutantsCommand(command, (line) => lines.push(line)), lines.join('\n')).toBe(0);
  expect(lines.at(-1)).toBe('1 of 1 mutants found');
});

test('a mutant that does not exist is answered with those that do', async () => {
  const command = { mutants: ['fence-of'], firstSeed: 1, seeds: 1, enough: 1 };
  await expect(mutantsCommand(command, () => undefined)).rejects.toThrow(/fence-off/);
});
