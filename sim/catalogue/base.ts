import type { ScenarioDocument } from '#sim/catalogue/catalogue.ts';

export const THREE = { regions: ['eu', 'us', 'ap'], latency: 'table:geo' } as const;
export const SHOP = { use: 'shop', rate: '12/s', keys: 20 } as const;
export const COUNTER = { use: 'counter', rate: '4/s' } as const;
export const PROBE = { use: 'probe', hz: 10, clients: 2 } as const;

/** A scenario of three regions and a shop, 30 s until the heal, unless it says otherwise. */
export function scenario(
  name: string,
  about: string,
  rest: Readonly<Record<string, unknown>>,
): ScenarioDocument {
  return {
    name,
    about,
    topology: THREE,
    workload: [SHOP, COUNTER, PROBE],
    heal: { at: '30s' },
    ...rest,
  };
}

/** That much must have happened, or the run proves nothing. */
export function atLeast(
  faults: number,
  conflicts = 1,
  rest: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { at_least: { writes: 200, conflicts, faults }, ...rest };
}
