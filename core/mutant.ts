/**
 * Bugs that can be planted on purpose, to prove that the simulator finds them (sim/mutants/mutants.ts
 * says what each breaks). Only the simulator and tests arm one; in production the question below is a
 * comparison with null.
 */
export type MutantName =
  | 'causal-order-ignored'
  | 'checkpoint-over-dirty'
  | 'confirm-before-durable'
  | 'conflict-unrecorded'
  | 'counter-as-value'
  | 'dependencies-dropped'
  | 'dirty-at-rebuild-off'
  | 'fence-off'
  | 'guard-off'
  | 'heartbeat-from-apply'
  | 'hlc-forgotten'
  | 'hlc-not-merged'
  | 'horizon-too-high'
  | 'late-rule-off'
  | 'marker-not-compared'
  | 'missing-not-looked-for-again'
  | 'own-component-early'
  | 'own-writes-captured'
  | 'published-before-visible'
  | 'quarantine-forgotten'
  | 'seen-deltas-counted'
  | 'slot-follows-keepalives'
  | 'stable-too-early'
  | 'trimmed-too-early'
  | 'truncate-takes-unseen'
  | 'winner-by-arrival';

let armed: MutantName | null = null;

export function mutant(name: MutantName): boolean {
  return armed !== null && armed === name;
}

/** Plants a bug, or none. For the simulator and tests only. */
export function armMutant(name: MutantName | null): void {
  armed = name;
}
