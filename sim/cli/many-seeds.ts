import { systemClock } from '#replicator/system-ports.ts';
import type { Io } from '#deploy/cli/command.ts';
import { distributionOf } from '#sim/metrics/distribution.ts';
import type { Distribution } from '#sim/metrics/distribution.ts';
import { EXIT_CODES } from '#sim/run/report.ts';
import type { JudgedRun, Outcome } from '#sim/run/report.ts';
import { formatUs } from '#sim/scenario/quantity.ts';

export interface ManySeeds {
  readonly from: number;
  readonly seeds: number;
  /** Stop beginning new runs at this time of the monotonic clock; null: never. */
  readonly untilMs: number | null;
  readonly play: (seed: number) => Promise<JudgedRun>;
  readonly io: Io;
  readonly label: string;
}

/** What is kept of one run among many. */
interface Tally {
  readonly seed: number;
  readonly outcome: Outcome;
  readonly signature: string | null;
  readonly text: string | null;
  readonly simUs: number;
  readonly writes: number;
  readonly conflicts: number;
  readonly lost: number;
  readonly exposureP99Us: number | null;
  readonly strandedUs: number;
  readonly writeRtoUs: number | null;
  readonly readRtoUs: number | null;
  readonly lagP99Us: number | null;
}

const PROGRESS_EVERY_MS = 2_000;
const WORST: readonly Outcome[] = [
  'nondeterministic',
  'harness',
  'violated',
  'unknown',
  'objective missed',
];

/** One scenario, or one swarm, under many seeds: progress, failures by signature, percentiles over seeds. */
export async function many({ from, seeds, untilMs, play, io, label }: ManySeeds): Promise<number> {
  const tallies: Tally[] = [];
  const begunMs = systemClock.monotonicMs();
  let shownMs = begunMs;
  for (let seed = from; seed < from + seeds && !io.signal.aborted; seed += 1) {
    if (untilMs !== null && systemClock.monotonicMs() > untilMs) break;
    tallies.push(tally(seed, await play(seed)));
    if (systemClock.monotonicMs() - shownMs < PROGRESS_EVERY_MS) continue;
    shownMs = systemClock.monotonicMs();
    io.err(`${progressOf(tallies, seeds)}\n`);
  }
  io.out(`${summary(tallies, systemClock.monotonicMs() - begunMs, label).join('\n')}\n`);
  const worst = WORST.find((outcome) => tallies.some((one) => one.outcome === outcome));
  return EXIT_CODES[worst ?? 'pass'];
}

export function tally(
  seed: number,
  { run, outcome, reasons, point, times, lag, work }: JudgedRun,
): Tally {
  const [first] = reasons;
  const rto = (action: string): number | null =>
    times.find((time) => time.action === action)?.total?.p95Us ?? null;
  return {
    seed,
    outcome,
    signature: first?.signature ?? null,
    text: first?.text ?? null,
    simUs: run.truth.frame.endUs,
    writes: work.writes,
    conflicts: work.conflicts,
    lost: point.lost,
    exposureP99Us: point.exposure?.p99Us ?? null,
    strandedUs: point.stranded.oldestUs,
    writeRtoUs: rto('write'),
    readRtoUs: rto('read'),
    lagP99Us: lag.calm?.p99Us ?? null,
  };
}

function progressOf(tallies: readonly Tally[], seeds: number): string {
  const failed = tallies.filter(({ outcome }) => outcome !== 'pass').length;
  return `  ${tallies.length} of ${seeds} seeds, ${failed} not passed`;
}

function summary(tallies: readonly Tally[], wallMs: number, label: string): readonly string[] {
  const simUs = tallies.reduce((sum, one) => sum + one.simUs, 0);
  const total = (pick: (one: Tally) => number): number =>
    tallies.reduce((sum, one) => sum + pick(one), 0);
  const passed = tallies.filter(({ outcome }) => outcome === 'pass').length;
  const factor = wallMs === 0 ? 0 : simUs / 1_000 / wallMs;
  const hourly = wallMs === 0 ? 0 : Math.round((tallies.length * 3_600_000) / wallMs);
  return [
    `${label}: ${tallies.length} seeds, ${passed} passed`,
    ...failuresBySignature(tallies, label),
    `  ${total((one) => one.writes)} writes, ${total((one) => one.conflicts)} conflicts, ${total((one) => one.lost)} acknowledged writes lost`,
    ...overSeeds('exposure p99', tallies, (one) => one.exposureP99Us),
    ...overSeeds('stranded age', tallies, (one) => one.strandedUs),
    ...overSeeds('RTO write p95', tallies, (one) => one.writeRtoUs),
    ...overSeeds('RTO read p95', tallies, (one) => one.readRtoUs),
    ...overSeeds('lag p99, calm', tallies, (one) => one.lagP99Us),
    `  ${formatUs(simUs)} simulated in ${formatUs(wallMs * 1_000)}: ${factor.toFixed(1)}x real time, ${hourly} seeds an hour on one core`,
  ];
}

function failuresBySignature(tallies: readonly Tally[], label: string): readonly string[] {
  const failed = tallies.filter(({ outcome }) => outcome !== 'pass');
  const groups = Map.groupBy(failed, ({ outcome, signature }) => `${outcome}: ${signature ?? ''}`);
  return [...groups]
    .toSorted(([, l], [, r]) => r.length - l.length)
    .flatMap(([signature, all]) => {
      const [first] = all;
      const seeds = all.slice(0, 8).map(({ seed }) => seed);
      const repeat = label.startsWith('sim swarm')
        ? 'sim swarm --seeds 1 --from'
        : `${label} --seed`;
      return [
        `  ${String(all.length).padStart(4)} x ${signature}`,
        `         seeds ${seeds.join(' ')}${all.length > 8 ? ' …' : ''}; ${repeat} ${first?.seed ?? 0}`,
        `         ${first?.text ?? ''}`,
      ];
    });
}

function overSeeds(
  name: string,
  tallies: readonly Tally[],
  pick: (one: Tally) => number | null,
): readonly string[] {
  const found = distributionOf(tallies.map(pick).filter((value) => value !== null));
  if (found === null || found.maxUs === 0) return [];
  const text = (of: Distribution): string =>
    `p50 ${formatUs(of.p50Us)}  p95 ${formatUs(of.p95Us)}  max ${formatUs(of.maxUs)}`;
  const worst = tallies.find((one) => pick(one) === found.maxUs);
  return [
    `  over ${found.count} seeds: ${name.padEnd(14)} ${text(found)} (seed ${worst?.seed ?? '?'})`,
  ];
}
