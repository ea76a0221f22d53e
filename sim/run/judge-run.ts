import { convergedUs } from '#sim/check/converged.ts';
import { faultIntervals } from '#sim/check/fault-intervals.ts';
import { PROPERTIES } from '#sim/check/properties.ts';
import { Truth } from '#sim/check/truth.ts';
import type { RunFrame } from '#sim/check/truth.ts';
import { copiesOf } from '#sim/metrics/copies.ts';
import { lagOf } from '#sim/metrics/lag.ts';
import { recoveryPoint } from '#sim/metrics/recovery-point.ts';
import { recoveryTimes } from '#sim/metrics/recovery-time.ts';
import type { JudgedProperty, JudgedRun, Outcome, Reason, Work } from '#sim/run/report.ts';
import type { FinishedRun } from '#sim/run/run-plan.ts';
import { formatUs } from '#sim/scenario/quantity.ts';

const CALM_AFTER_US = 5_000_000;

/** The worst comes first: what stands higher decides the outcome. */
const SEVERITY: readonly Outcome[] = [
  'nondeterministic',
  'harness',
  'violated',
  'unknown',
  'objective missed',
];

/** Checks every property, measures, and holds both against what the scenario expects. */
export function judgeRun(finished: FinishedRun, repeated: RunFrame['repeated']): JudgedRun {
  const { expect } = finished.plan.scenario;
  const frame = { ...finished.truth.frame, repeated };
  const truth = new Truth(frame, finished.truth.events);
  const run = { ...finished, truth };
  const properties = PROPERTIES.map(({ id, name, check }): JudgedProperty => {
    return { id, name, verdict: check(truth), excused: expect.except[id] ?? null };
  });
  const copies = copiesOf(truth);
  const faults = faultIntervals(truth.events, frame.endUs);
  const calm = (atUs: number): boolean =>
    faults.every(
      ({ fromUs, toUs }) => atUs < fromUs - CALM_AFTER_US || atUs > toUs + CALM_AFTER_US,
    );
  const unjudged = {
    run,
    properties,
    point: recoveryPoint(truth, copies),
    times: recoveryTimes(truth),
    lag: lagOf(truth, copies, calm),
    convergedUs: convergedUs(truth),
  };
  const work = workOf(truth, unjudged.point.superseded, faults.length);
  const reasons = reasonsOf({ ...unjudged, work });
  const outcome = SEVERITY.find((kind) => reasons.some((reason) => reason.kind === kind)) ?? 'pass';
  return { ...unjudged, work, reasons, outcome };
}

function workOf(truth: Truth, conflicts: number, faults: number): Work {
  const count = (kind: string): number =>
    truth.operations.filter(({ complete }) => (complete?.kind ?? 'info') === kind).length;
  return {
    operations: truth.operations.length,
    ok: count('ok'),
    failed: count('fail'),
    unknown: count('info'),
    writes: truth.transactions.size,
    conflicts,
    faults,
  };
}

type Unjudged = Omit<JudgedRun, 'reasons' | 'outcome'>;

function reasonsOf(judged: Unjudged): readonly Reason[] {
  const found = [
    ...harnessReasons(judged),
    ...propertyReasons(judged),
    ...workReasons(judged),
    ...pointReasons(judged),
    ...timeReasons(judged),
  ];
  return found.toSorted((l, r) => SEVERITY.indexOf(l.kind) - SEVERITY.indexOf(r.kind));
}

function reason(kind: Outcome, what: string, text: string, signature = text): Reason {
  return { kind, what, text, signature: `${what} ${signature}` };
}

function harnessReasons({ run: { findings, truth } }: Unjudged): readonly Reason[] {
  const { repeated } = truth.frame;
  const different =
    repeated.kind === 'different'
      ? [reason('nondeterministic', 'A30', repeated.text, 'not deterministic')]
      : [];
  return [...different, ...findings.map((text) => reason('harness', 'simulator', text))];
}

function propertyReasons({ properties, run }: Unjudged): readonly Reason[] {
  const { expect } = run.plan.scenario;
  return properties.flatMap(({ id, name, verdict, excused }) => {
    if (verdict.valid !== false || !expect.properties.includes(id) || excused !== null) return [];
    if (id === 'A30') return [];
    const [first] = verdict.witnesses;
    const text = first === undefined ? verdict.judged : first.text;
    return [reason('violated', id, `${name}: ${text}`, first?.signature ?? name)];
  });
}

/** A run that did nothing proves nothing. */
function workReasons({ work, run, properties }: Unjudged): readonly Reason[] {
  const { atLeast, properties: wanted } = run.plan.scenario.expect;
  const lacking = (['writes', 'conflicts', 'faults'] as const)
    .filter((name) => work[name] < atLeast[name])
    .map((name) =>
      reason(
        'unknown',
        `at_least.${name}`,
        `the run had ${work[name]} ${name}, too few to prove anything (at least ${atLeast[name]})`,
        `too few ${name}`,
      ),
    );
  const judged = properties.some(
    ({ id, verdict }) => wanted.includes(id) && verdict.valid === true,
  );
  if (judged) return lacking;
  return [...lacking, reason('unknown', 'properties', 'no property could be judged')];
}

function pointReasons({ point, run }: Unjudged): readonly Reason[] {
  const { rpo } = run.plan.scenario.expect;
  const found: Reason[] = [];
  if (point.lost > rpo.lost) {
    const text = `${point.lost} acknowledged writes are lost, the oldest ${formatUs(point.lostAgeUs)} old; expected ${rpo.lost}`;
    found.push(reason('violated', 'rpo.lost', text, 'acknowledged writes are lost'));
  }
  found.push(
    ...limit('rpo.stranded_max_age', point.stranded.oldestUs, rpo.strandedMaxAgeMs),
    ...limit('rpo.exposure_p99', point.exposure?.p99Us ?? null, rpo.exposureP99Ms),
  );
  return found;
}

function timeReasons({ times, run }: Unjudged): readonly Reason[] {
  const { rto } = run.plan.scenario.expect;
  return times.flatMap(({ action, total, never, regions }) => {
    const allowed = action === 'write' ? rto.writeP95Ms : rto.readP95Ms;
    const what = `rto.${action}.p95`;
    if (allowed === null || regions.length === 0) return [];
    if (never > 0) return [reason('objective missed', what, `${never} clients never recovered`)];
    return limit(what, total?.p95Us ?? null, allowed);
  });
}

function limit(what: string, us: number | null, allowedMs: number | null): readonly Reason[] {
  if (us === null || allowedMs === null || us <= allowedMs * 1_000) return [];
  const text = `${what} is ${formatUs(us)}, expected at most ${formatUs(allowedMs * 1_000)}: missed by ${formatUs(us - allowedMs * 1_000)}`;
  return [reason('objective missed', what, text, 'missed')];
}
