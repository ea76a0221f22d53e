import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EverywriteError } from '#core/errors.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { readDocument } from '#replicator/config/document.ts';
import { CATALOGUE } from '#sim/catalogue/catalogue.ts';
import { withOverrides } from '#sim/scenario/overrides.ts';
import { decodeScenario, scenarioInvalid } from '#sim/scenario/read-scenario.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';

/** The scenario that a person means: of the catalogue by its name, or a file. */
export function loadScenario(name: string, settings: readonly string[]): Scenario {
  const known = CATALOGUE.find((scenario) => scenario.name === name);
  if (known !== undefined) return decodeScenario(withOverrides(known, settings), name, readText);
  if (!/[./]/.test(name)) {
    const names = CATALOGUE.map((scenario) => scenario.name);
    throw new EverywriteError({
      code: 'USAGE',
      recovery: 'operator',
      message: `There is no scenario "${name}"; "sim list scenarios" shows them.${didYouMean(name, names)}`,
    });
  }
  const document = readDocument(readFile(name));
  if (document.kind === 'wrong') throw scenarioInvalid(name, document.problems);
  // Files that a scenario names are found beside it.
  const beside = (path: string): string => readText(resolve(dirname(name), path));
  return decodeScenario(withOverrides(document.value, settings), name, beside);
}

export function readFile(path: string): string {
  try {
    return readText(path);
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    const message = `The file ${path} cannot be read (${why}).`;
    throw new EverywriteError({ code: 'USAGE', recovery: 'operator', message, cause });
  }
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
