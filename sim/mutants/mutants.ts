import type { MutantName } from '#core/mutant.ts';

export interface Mutant {
  /** What goes wrong in the engine. */
  readonly breaks: string;
  /** The rule (ARCHITECTURE.md, "Hazards") or invariant that it violates. */
  readonly rule: string;
}

/** Every bug that can be planted, as a league for the simulator: a survivor is a hole in it. */
export const MUTANTS: Readonly<Record<MutantName, Mutant>> = {
  'causal-order-ignored': {
    breaks: 'a transaction is applied before what it depends on',
    rule: 'invariant 5',
  },
  'checkpoint-over-dirty': {
    breaks: 'a checkpoint is saved while rows wait to be projected again',
    rule: 'F3',
  },
  'confirm-before-durable': {
    breaks: 'the slot moves as soon as the log has acknowledged, not when it has synced',
    rule: 'invariant 2',
  },
  'conflict-unrecorded': {
    breaks: 'conflicts that apply meets are not recorded',
    rule: 'invariant 7',
  },
  'counter-as-value': { breaks: 'a counter is captured as its value, not as a delta', rule: 'F7' },
  'dependencies-dropped': {
    breaks: 'own transactions claim to have seen nothing of other regions',
    rule: 'T4',
  },
  'dirty-at-rebuild-off': {
    breaks: 'rows with concurrent writes are not projected again after a restart',
    rule: 'F3',
  },
  'fence-off': { breaks: 'the slow path does not wait for capture', rule: 'T14' },
  'guard-off': { breaks: 'writes carry no guard against unseen local writes', rule: 'invariant 1' },
  'heartbeat-from-apply': {
    breaks: 'heartbeats carry what is applied, not what capture has met in the WAL',
    rule: 'T4',
  },
  'hlc-forgotten': {
    breaks: 'the clock reading of the log is not taken up at a restart',
    rule: 'F10',
  },
  'hlc-not-merged': {
    breaks: 'stamps of remote writes do not push the clock forward',
    rule: 'T15',
  },
  'horizon-too-high': {
    breaks: 'versions of transactions that were running at the snapshot count as known',
    rule: 'T3',
  },
  'late-rule-off': { breaks: 'own writes that turn out late leave the row as it is', rule: 'F2' },
  'marker-not-compared': {
    breaks: 'an applier goes on although another one was here',
    rule: 'T12',
  },
  'missing-not-looked-for-again': {
    breaks: 'a row that is missing when it is locked counts as missing after the fence',
    rule: 'F1',
  },
  'own-component-early': {
    breaks: 'the own component moves although dirty rows do not show it yet',
    rule: 'T1',
  },
  'own-writes-captured': { breaks: 'what apply writes is captured as new', rule: 'T11' },
  'published-before-visible': {
    breaks: 'a transaction is published before any snapshot shows it',
    rule: 'T2',
  },
  'quarantine-forgotten': {
    breaks: 'the wanted row of a quarantined row is not kept',
    rule: 'T16',
  },
  'seen-deltas-counted': {
    breaks: 'deltas that an assignment had seen are added to it again',
    rule: 'T13',
  },
  'slot-follows-keepalives': {
    breaks: 'an idle slot moves past markers that no durable frame carries',
    rule: 'T4',
  },
  'stable-too-early': {
    breaks: 'what this region has counts as what every member has',
    rule: 'T4',
  },
  'trimmed-too-early': {
    breaks: 'logs are trimmed to what is applied here, whatever others still need',
    rule: 'T16',
  },
  'truncate-takes-unseen': {
    breaks: 'TRUNCATE takes rows whose insert it had not seen',
    rule: 'T13',
  },
  'winner-by-arrival': {
    breaks: 'of concurrent values the one that came last wins',
    rule: 'invariant 6',
  },
};

export const MUTANT_NAMES = Object.keys(MUTANTS) as readonly MutantName[];
