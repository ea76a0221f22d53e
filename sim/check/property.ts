import type { Truth } from '#sim/check/truth.ts';

/** What a checker found. `unknown`: nothing was there to be judged, which is no pass. */
export interface Verdict {
  readonly valid: true | false | 'unknown';
  /** How much was judged (`14,391 states`), or why nothing was. */
  readonly judged: string;
  /** At most WITNESSES_MAX, the earliest first. */
  readonly witnesses: readonly Witness[];
}

export interface Witness {
  /** True time of the moment that breaks the property. */
  readonly atUs: number;
  /** Without numbers that differ from seed to seed: equal failures have equal signatures. */
  readonly signature: string;
  readonly text: string;
  /** What the story of this failure is about: transactions, rows, regions. */
  readonly about: readonly string[];
}

/** One property of simulation.md, section 4. */
export interface Property {
  readonly id: string;
  readonly name: string;
  /** One sentence: what must hold. */
  readonly claim: string;
  readonly check: (truth: Truth) => Verdict;
}

export const WITNESSES_MAX = 5;

export function holds(judged: string): Verdict {
  return { valid: true, judged, witnesses: [] };
}

export function unknown(why: string): Verdict {
  return { valid: 'unknown', judged: why, witnesses: [] };
}

export function broken(judged: string, witnesses: readonly Witness[]): Verdict {
  const first = witnesses.toSorted((l, r) => l.atUs - r.atUs).slice(0, WITNESSES_MAX);
  return { valid: false, judged, witnesses: first };
}

/** The verdict on `count` things of this kind: unknown if there were none. */
export function judge(count: number, what: string, witnesses: readonly Witness[]): Verdict {
  if (witnesses.length > 0) return broken(`${count} ${what}, ${witnesses.length} wrong`, witnesses);
  return count === 0 ? unknown(`no ${what}`) : holds(`${count} ${what}`);
}
