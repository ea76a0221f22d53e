/** A small seeded generator (mulberry32): the same seed makes the same decisions. */
export interface ChaosRandom {
  /** 0 (included) to 1 (excluded). */
  next(): number;
  /** 0 to `below` - 1. */
  integer(below: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
  /** An independent generator, so that one actor's pace does not change another's decisions. */
  fork(): ChaosRandom;
}

export function chaosRandom(seed: number): ChaosRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (below: number): number => Math.floor(next() * below);
  return {
    next,
    integer,
    pick: (items) => items[integer(items.length)] ?? items[0],
    fork: () => chaosRandom(integer(2 ** 32)),
  };
}

/** The seed of this run: from EVERYWRITE_SEED to repeat one, else a new one; printed either way. */
export function announcedSeed(test: string): number {
  const given = process.env['EVERYWRITE_SEED'];
  const seed = given === undefined ? Date.now() % 2 ** 31 : Number(given);
  process.stderr.write(`${test}: EVERYWRITE_SEED=${seed}\n`);
  return seed;
}

/** Seconds that a phase lasts: short for every day, `EVERYWRITE_E2E=long` for the long run. */
export function phaseMs(shortSeconds: number, longSeconds: number): number {
  return (process.env['EVERYWRITE_E2E'] === 'long' ? longSeconds : shortSeconds) * 1000;
}
