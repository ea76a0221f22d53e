import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { armMutant, mutant } from '#core/mutant.ts';
import { MUTANT_NAMES } from '#sim/mutants/mutants.ts';

const ROOT = join(import.meta.dirname, '../../..');

test('nothing is planted unless somebody plants it', () => {
  expect(MUTANT_NAMES.filter((name) => mutant(name))).toEqual([]);
  armMutant('fence-off');
  expect(MUTANT_NAMES.filter((name) => mutant(name))).toEqual(['fence-off']);
  armMutant(null);
});

test('every mutant is planted somewhere, and nobody in production arms one', () => {
  const text = ['conflict', 'core', 'replicator', 'gateway', 'deploy']
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && entry.name !== 'mutant.ts')
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
  expect(MUTANT_NAMES.filter((name) => !text.includes(`mutant('${name}')`))).toEqual([]);
  expect(text).not.toContain('armMutant');
});
