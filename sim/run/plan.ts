import type { RandomStreams } from '#sim/kernel/ports.ts';
import type { PlannedFault, Scenario } from '#sim/scenario/scenario.ts';
import { planOperations } from '#sim/workload/plan-operations.ts';
import type { PlannedOperation } from '#sim/workload/operation.ts';

/**
 * A run, written out: every operation and every fault. The seed still decides what the simulated
 * servers and links do by chance. This is what is replayed, and what shrinking cuts down.
 */
export interface RunPlan {
  readonly format: 1;
  readonly seed: number;
  readonly mutant: string | null;
  /** Without workload and faults: those are written out below. */
  readonly scenario: Scenario;
  readonly operations: readonly PlannedOperation[];
  readonly faults: readonly PlannedFault[];
}

export function planRun(
  scenario: Scenario,
  seed: number,
  random: RandomStreams,
  mutant: string | null = null,
): RunPlan {
  const operations = planOperations(scenario, random);
  const { faults } = scenario;
  return { format: 1, seed, mutant, scenario, operations, faults };
}
