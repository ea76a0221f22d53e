import { parseArgs } from 'node:util';
import type { ParseArgsOptionsConfig } from 'node:util';
import { EverywriteError } from '#core/errors.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

/** A mistake on the command line: exit code 2. */
export function usageError(message: string, cause?: unknown): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message, cause });
}

/** The flags and, where `allowPositionals`, the words of a command line; USAGE for anything else. */
export function parseFlags<const Options extends ParseArgsOptionsConfig>(
  command: string,
  args: readonly string[],
  options: Options,
  words: 'no-words' | 'words' = 'no-words',
) {
  try {
    return parseArgs({
      args: [...args],
      options,
      allowPositionals: words === 'words',
      strict: true,
    });
  } catch (cause) {
    throw usageError(mistake(command, cause, Object.keys(options)), cause);
  }
}

/** The value of a flag that a command cannot do without. */
export function required(command: string, flag: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw usageError(`--${flag} is missing; see "everywrite ${command} --help".`);
}

function mistake(command: string, cause: unknown, known: readonly string[]): string {
  const hint = `see "everywrite ${command} --help".`;
  if (!(cause instanceof Error)) return `The command line cannot be read; ${hint}`;
  const [, unknown] = /^Unknown option '(-{1,2}[^']*)'/.exec(cause.message) ?? [];
  if (unknown !== undefined) {
    const flags = known.map((name) => `--${name}`);
    return `There is no option ${unknown}; ${hint}${didYouMean(unknown, flags)}`;
  }
  const [, word] = /^Unexpected argument '([^']*)'/.exec(cause.message) ?? [];
  if (word !== undefined) return `"${word}" is not expected here; ${hint}`;
  const [first = ''] = cause.message.split(/[.\n]/);
  return `${first}; ${hint}`;
}
