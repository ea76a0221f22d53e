import { usageError } from '#deploy/cli/flags.ts';

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** `15m`, `2h`, `7d` before now, or a time such as 2026-11-23 or 2026-11-23T20:00Z; microseconds. */
export function parseSince(text: string, now: Date): number {
  const [, amount, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (amount !== undefined) return now.getTime() * 1000 - Number(amount) * (UNITS[unit] ?? 0);
  const at = Date.parse(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(at)) return at * 1000;
  throw usageError(
    `--since ${text} is no time: give an age (90s, 15m, 2h, 7d) or a date (2026-11-23, 2026-11-23T20:00Z).`,
  );
}

/** A whole number from 1 to `most`. */
export function parseLimit(text: string | undefined, standard: number, most: number): number {
  if (text === undefined) return standard;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= most) return limit;
  throw usageError(`--limit ${text} is not allowed: 1 to ${most}.`);
}
