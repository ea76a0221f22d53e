import type { LogLevel } from '#core/ports.ts';
import { usageError } from '#deploy/cli/flags.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** The value of `--log-level`. */
export function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((candidate) => candidate === text);
  if (level !== undefined) return level;
  const levels = LOG_LEVELS.join(', ');
  throw usageError(`--log-level is ${levels}, not "${text}".${didYouMean(text, LOG_LEVELS)}`);
}
