import { faultIntervals } from '#sim/check/fault-intervals.ts';
import type { PageContext } from '#sim/report/run-page.ts';
import type { JudgedRun } from '#sim/run/report.ts';

/** Version of this shape: programs read it. Keys are added without a new one, never changed. */
const SCHEMA_VERSION = 1;

/** A run for a program. Durations and instants are microseconds of true time. */
export function runJson(
  judged: JudgedRun,
  context: PageContext,
): Readonly<Record<string, unknown>> {
  const { run, point, lag } = judged;
  const { plan, truth } = run;
  const { exposureCurve: _curve, ...counted } = point;
  const { curve: _lags, ...lags } = lag;
  return {
    schema_version: SCHEMA_VERSION,
    scenario: plan.scenario.name,
    seed: plan.seed,
    outcome: judged.outcome,
    reasons: judged.reasons,
    repeat: context.repeat,
    versions: context.versions,
    trace: run.traceHash,
    events: run.eventCount,
    simulated_us: truth.frame.endUs,
    wall_ms: Math.round(context.wallMs),
    drawn: { ...plan.scenario, tables: plan.scenario.tables.map(({ name }) => name) },
    faults: faultIntervals(truth.events, truth.frame.endUs),
    heal_us: truth.frame.healUs,
    converged_us: judged.convergedUs,
    work: judged.work,
    rpo: counted,
    rto: judged.times,
    lag: lags,
    properties: judged.properties,
    pending: run.pending,
  };
}
