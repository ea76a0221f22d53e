import { DATABASE_SCENARIOS } from '#sim/catalogue/database-scenarios.ts';
import { LOAD_SCENARIOS } from '#sim/catalogue/load-scenarios.ts';
import { NETWORK_SCENARIOS } from '#sim/catalogue/network-scenarios.ts';
import { PROCESS_SCENARIOS } from '#sim/catalogue/process-scenarios.ts';
import { REGION_SCENARIOS } from '#sim/catalogue/region-scenarios.ts';

/** A scenario as a file would have it, so that overrides and files work alike. */
export interface ScenarioDocument {
  readonly name: string;
  readonly about: string;
  readonly [key: string]: unknown;
}

/** Every scenario with a name. */
export const CATALOGUE: readonly ScenarioDocument[] = [
  ...REGION_SCENARIOS,
  ...NETWORK_SCENARIOS,
  ...PROCESS_SCENARIOS,
  ...DATABASE_SCENARIOS,
  ...LOAD_SCENARIOS,
];
