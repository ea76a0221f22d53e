import { EverywriteError } from '#core/errors.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { directedPairs, linkKey } from './cluster-ports.ts';
import { DELAY_MAX_MS } from './link-order.ts';

/** `80`, `80ms` or `1.5s` as milliseconds; USAGE for anything else. */
export function parseDelay(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(text) ?? [];
  const delayMs = Number(digits) * (unit === 's' ? 1_000 : 1);
  if (delayMs <= DELAY_MAX_MS) return delayMs;
  throw usage(`"${text}" is no delay; write 80ms, and at most ${DELAY_MAX_MS / 1_000}s.`);
}

/**
 * The one-way delay of every directed link, by `from to`: of all of them (`80`), or of pairs
 * (`eu-us=80,eu-ap=120`), both directions alike. Links that are not named have none.
 */
export function parseLatency(
  text: string,
  regions: readonly string[],
): Readonly<Record<string, number>> {
  const delays: Record<string, number> = {};
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const [pair = '', delay] = part.split('=');
    if (delay === undefined) {
      const delayMs = parseDelay(part);
      for (const { from, to } of directedPairs(regions)) delays[linkKey(from, to)] ??= delayMs;
      continue;
    }
    const [one, other] = pairOf(pair, regions);
    delays[linkKey(one, other)] = parseDelay(delay);
    delays[linkKey(other, one)] = parseDelay(delay);
  }
  return delays;
}

function pairOf(text: string, regions: readonly string[]): readonly [string, string] {
  // Region names may hold hyphens themselves, so pairs are compared whole.
  const pairs = directedPairs(regions);
  const found = pairs.find(({ from, to }) => text === `${from}-${to}`);
  if (found !== undefined) return [found.from, found.to];
  const names = pairs.map(({ from, to }) => `${from}-${to}`);
  throw usage(
    `"${text}" in --latency is no pair of regions; there are ${names.join(', ')}.${didYouMean(text, names)}`,
  );
}

function usage(message: string): EverywriteError {
  return new EverywriteError({ code: 'USAGE', recovery: 'operator', message });
}
