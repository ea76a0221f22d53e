import { usageError } from '#deploy/cli/flags.ts';

/** The value of a flag that is a whole number from 0. */
export function count(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw usageError(`--${flag} is a whole number such as 42, not "${text}".`);
}
