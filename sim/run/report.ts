import type { Verdict } from '#sim/check/property.ts';
import type { Lag } from '#sim/metrics/lag.ts';
import type { RecoveryPoint } from '#sim/metrics/recovery-point.ts';
import type { RecoveryTime } from '#sim/metrics/recovery-time.ts';
import type { FinishedRun } from '#sim/run/run-plan.ts';

/** How a run ended; the exit code follows from it. */
export type Outcome =
  | 'pass'
  | 'violated'
  | 'unknown'
  | 'nondeterministic'
  | 'harness'
  | 'objective missed';

export interface JudgedProperty {
  readonly id: string;
  readonly name: string;
  readonly verdict: Verdict;
  /** Why a violation is expected here and does not count; null otherwise. */
  readonly excused: string | null;
}

/** A run with everything that is known of it afterwards. */
export interface JudgedRun {
  readonly run: FinishedRun;
  readonly outcome: Outcome;
  readonly properties: readonly JudgedProperty[];
  readonly point: RecoveryPoint;
  readonly times: readonly RecoveryTime[];
  readonly lag: Lag;
  readonly convergedUs: number | null;
  /** What the run did at all. */
  readonly work: Work;
  /** In sentences: what was violated, what was missed, what was not proved. The first names the outcome. */
  readonly reasons: readonly Reason[];
}

export interface Work {
  readonly operations: number;
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  readonly writes: number;
  readonly conflicts: number;
  readonly faults: number;
}

export interface Reason {
  readonly kind: Outcome;
  /** Property or expectation: `A3`, `rpo.lost`. */
  readonly what: string;
  readonly text: string;
  /** Equal for equal failures of different seeds. */
  readonly signature: string;
}

export const EXIT_CODES: Readonly<Record<Outcome, number>> = {
  pass: 0,
  violated: 1,
  unknown: 2,
  nondeterministic: 3,
  harness: 4,
  'objective missed': 5,
};
