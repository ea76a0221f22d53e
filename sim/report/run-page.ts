import { faultIntervals } from '#sim/check/fault-intervals.ts';
import type { Distribution } from '#sim/metrics/distribution.ts';
import type { RecoveryTime } from '#sim/metrics/recovery-time.ts';
import { storyOf } from '#sim/report/story.ts';
import type { JudgedRun, Reason } from '#sim/run/report.ts';
import { formatInstant, formatUs } from '#sim/scenario/quantity.ts';
import type { Scenario } from '#sim/scenario/scenario.ts';

/** What is known of the machine and of how to do it again. */
export interface PageContext {
  /** The command that repeats the run. */
  readonly repeat: string;
  /** `node 24.21.0  v8 13.6` */
  readonly versions: string;
  /** How long the run took here. */
  readonly wallMs: number;
}

const FAULTS_SHOWN = 12;
const WIDTH = 100;

/** A run for a person: on failure the story first, then the figures; the last line is the verdict. */
export function runPage(judged: JudgedRun, context: PageContext): string {
  const { run } = judged;
  const failed = judged.reasons.filter(({ kind }) => kind !== 'objective missed');
  return [
    ...head(judged, context),
    '',
    ...failureLines(judged, toldBest(judged, failed)),
    ...pointLines(judged),
    ...timeLines(judged),
    ...lagLines(judged),
    convergedLine(judged),
    '',
    ...propertyLines(judged),
    runLine(judged, context),
    ...judged.reasons.slice(0, 6).map(reasonLine),
    ...(run.pending === null ? [] : [`  still missing at the end: ${run.pending}`]),
    verdictLine(judged),
    '',
  ].join('\n');
}

function head(judged: JudgedRun, { repeat, versions }: PageContext): readonly string[] {
  const { plan, truth } = judged.run;
  const { scenario } = plan;
  const intervals = faultIntervals(truth.events, truth.frame.endUs);
  const shown = intervals.slice(0, FAULTS_SHOWN).map(({ fromUs, what }) => {
    return `  ${formatInstant(fromUs)}  ${what}`;
  });
  const more = intervals.length - shown.length;
  return [
    `${repeat.padEnd(WIDTH - versions.length - 2)}  ${versions}`,
    ...(scenario.about === '' ? [] : [`  ${scenario.about}`]),
    ...wrapped(drawn(scenario, plan.operations.length)),
    ...shown,
    ...(more > 0 ? [`  and ${more} more faults`] : []),
    ...(intervals.length > 0 ? [`  ${formatInstant(truth.frame.healUs)}  heal`] : []),
  ];
}

/** Everything that was chosen for this run, whoever chose it. */
function drawn(scenario: Scenario, operations: number): string {
  const { regions, latency, workload, replication } = scenario;
  const ways = latency.map(({ ms }) => ms);
  const clients = workload.map(
    ({ use, clients: count, ratePerSecond, regions: where, keys }) =>
      `${use} ${count}x${where.length} clients ${trim(ratePerSecond)}/s ${keys} keys`,
  );
  const limits = Object.entries(replication).map(([name, value]) => `${name} ${value}`);
  return [
    `${regions.length} regions ${regions.join(' ')}`,
    `one way ${trim(Math.min(...ways))} to ${trim(Math.max(...ways))} ms`,
    ...clients,
    `${count(operations)} operations`,
    `log syncs every ${formatUs(scenario.logSyncIntervalMs * 1_000)}`,
    ...limits,
  ].join(' | ');
}

/** The failure whose story says most: the earliest that names a transaction or a row. */
export function toldBest(judged: JudgedRun, failed: readonly Reason[]): Reason | null {
  const rated = failed.map((reason) => {
    const [witness] =
      judged.properties.find(({ id }) => id === reason.what)?.verdict.witnesses ?? [];
    const named = witness?.about.some((name) => /[ :]/.test(name)) === true;
    return { reason, named, atUs: witness?.atUs ?? Number.POSITIVE_INFINITY };
  });
  const [best] = rated.toSorted((l, r) => Number(r.named) - Number(l.named) || l.atUs - r.atUs);
  return best?.reason ?? null;
}

function failureLines(judged: JudgedRun, reason: Reason | null): readonly string[] {
  if (reason === null) return [];
  const verdict = judged.properties.find(({ id }) => id === reason.what)?.verdict;
  const [witness] = verdict?.valid === false ? verdict.witnesses : [];
  const label = reason.kind === 'unknown' ? 'UNKNOWN' : 'FAIL';
  const title = `  ${label}  ${reason.what}  ${reason.text}`;
  if (witness === undefined) return [title, ''];
  const story = storyOf(judged.run.truth, witness).map(
    ({ atUs, who, text }) =>
      `   ${(atUs / 1_000_000).toFixed(3).padStart(9)} ${who.padEnd(10)} ${text}`,
  );
  return [title, ...story, ''];
}

function pointLines({ point }: JudgedRun): readonly string[] {
  const { stranded } = point;
  const age = point.lost > 0 ? ` (oldest ${formatUs(point.lostAgeUs)})` : '';
  const back =
    stranded.count === 0
      ? ''
      : ` (oldest ${formatUs(stranded.oldestUs)}, ${stranded.backUs === null ? 'not all back' : `back after ${formatUs(stranded.backUs)}`})`;
  const line =
    `RPO   acknowledged ${count(point.acknowledged)} | lost ${point.lost}${age}` +
    ` | stranded ${stranded.count}${back} | superseded ${point.superseded}` +
    ` (log ${point.recorded}/${point.superseded}) | unknown ${point.unknown} (${point.unknownCommitted} committed)`;
  const exposed =
    point.exposure === null
      ? []
      : [
          `      if a region were lost: p50 ${formatUs(point.exposure.p50Us)}  p99 ${formatUs(point.exposure.p99Us)}  max ${formatUs(point.exposure.maxUs)} of acknowledged writes`,
        ];
  return [...wrapped(line), ...exposed.map((text) => `  ${text}`)];
}

function timeLines({ times }: JudgedRun): readonly string[] {
  const measured = times.filter(({ total }) => total !== null);
  if (measured.length === 0) return ['  RTO   no region stopped answering its clients'];
  const heading = `  RTO   ${''.padEnd(22)}${['p50', 'p95', 'max'].map((name) => name.padEnd(9)).join('')}detect   redirect first ok`;
  return [heading, ...measured.map(timeLine)];
}

function timeLine({
  action,
  regions,
  total,
  detect,
  redirect,
  firstSuccess,
  never,
}: RecoveryTime): string {
  const p50 = (of: Distribution | null): string =>
    (of === null ? '-' : formatUs(of.p50Us)).padEnd(9);
  const all = [total?.p50Us, total?.p95Us, total?.maxUs].map((us) => formatUs(us ?? 0).padEnd(9));
  const lost = never > 0 ? `  ${never} clients never` : '';
  const who = `${action} (clients ${regions.join(' ')})`.padEnd(22);
  return `        ${who}${all.join('')}${p50(detect)}${p50(redirect)}${p50(firstSuccess)}${lost}`.trimEnd();
}

function lagLines({ lag, run }: JudgedRun): readonly string[] {
  if (lag.all === null) return ['  LAG   nothing was replicated'];
  const of = (name: string, d: Distribution | null): string =>
    d === null
      ? ''
      : `${name} p50 ${formatUs(d.p50Us)}  p95 ${formatUs(d.p95Us)}  p99 ${formatUs(d.p99Us)}  max ${formatUs(d.maxUs)}`;
  const link = (from: string, to: string): number =>
    run.plan.scenario.latency.find((l) => l.from === from && l.to === to)?.ms ?? 0;
  const pairs = lag.pairs.map(
    ({ from, to, lag: d }) =>
      `${from}>${to} ${d === null ? '-' : formatUs(d.p50Us)} (link ${trim(link(from, to))} ms)`,
  );
  return [
    `  LAG   ${of('visible after commit', lag.all)}`,
    ...(lag.calm === null ? [] : [`        ${of('away from faults    ', lag.calm)}`]),
    ...wrapped(`p50 ${pairs.join(' | ')}`, '        '),
  ];
}

function convergedLine({ convergedUs, run }: JudgedRun): string {
  const { healUs, convergeWithinUs } = run.truth.frame;
  const bound = `(bound ${formatUs(convergeWithinUs)})`;
  if (convergedUs === null) return `  NOT CONVERGED ${bound}`;
  return `  CONVERGED ${formatUs(Math.max(0, convergedUs - healUs))} after heal ${bound}`;
}

function propertyLines({ properties }: JudgedRun): readonly string[] {
  const ok = properties.filter(({ verdict }) => verdict.valid === true);
  const wrong = properties.filter(({ verdict }) => verdict.valid === false);
  const open = properties.filter(({ verdict }) => verdict.valid === 'unknown');
  const good = ok.map(({ id, verdict }) => `${id} ok ${verdict.judged}`).join(' | ');
  const byWhy = Map.groupBy(open, ({ verdict }) => verdict.judged);
  const unknown = [...byWhy].map(([why, all]) => `${all.map(({ id }) => id).join(' ')} ${why}`);
  return [
    ...wrapped(`properties  ${good}`),
    ...(open.length > 0 ? wrapped(`unknown     ${unknown.join(' | ')}`) : []),
    ...wrong.map(({ id, name, verdict, excused }) =>
      excused === null
        ? `  VIOLATED    ${id} ${name}: ${verdict.judged}`
        : `  excused     ${id} ${name}: ${verdict.judged} (${excused})`,
    ),
    `  ${ok.length} ok, ${wrong.length} violated, ${open.length} unknown`,
  ];
}

function runLine({ run }: JudgedRun, { wallMs, repeat }: PageContext): string {
  const simMs = run.truth.frame.endUs / 1_000;
  const factor = wallMs > 0 ? ` (${Math.round(simMs / wallMs)}x)` : '';
  return `  events ${count(run.eventCount)} | sim ${formatUs(simMs * 1_000)} in ${formatUs(wallMs * 1_000)}${factor} | trace ${run.traceHash} | repeat: ${repeat}`;
}

function reasonLine({ kind, what, text }: Reason): string {
  return `  ${kind}: ${what}: ${text}`;
}

function verdictLine({ outcome, properties }: JudgedRun): string {
  const unknown = properties.filter(({ verdict }) => verdict.valid === 'unknown').length;
  switch (outcome) {
    case 'pass':
      return `  PASS${unknown > 0 ? `, ${unknown} properties unknown here` : ''}`;
    case 'violated':
      return '  VIOLATED';
    case 'unknown':
      return '  UNKNOWN: the run proves nothing';
    case 'nondeterministic':
      return '  NONDETERMINISTIC: the same seed gave two runs';
    case 'harness':
      return '  HARNESS: the simulator itself failed';
    default:
      return '  SAFE, BUT AN OBJECTIVE IS MISSED';
  }
}

/** Lines of at most WIDTH, broken between parts that ` | ` separates. */
function wrapped(text: string, indent = '  '): readonly string[] {
  const lines: string[] = [];
  for (const part of text.split(' | ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + part.length + 3 <= WIDTH) {
      lines[lines.length - 1] = `${last} | ${part}`;
    } else lines.push(lines.length === 0 ? `${indent}${part}` : `${indent}    ${part}`);
  }
  return lines;
}

function trim(n: number): string {
  return n.toFixed(1).replace(/\.0$/, '');
}

function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}
