import { formatCount } from '#deploy/cli/quantities.ts';
import type { PairProgress, Progress, RegionProgress, Step } from '#deploy/demo/progress.ts';
import type { Paint } from '#deploy/demo/paint.ts';

const BAR = 24;
const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const NAME_WIDTH = 13;
const CELL_WIDTH = 19;

/** The picture of a moment, for a terminal of 80 columns or more. */
export function progressBlock(progress: Progress, paint: Paint): readonly string[] {
  const steps = progress.steps.map((step) => stepLine(step, paint));
  if (progress.regions.length === 0) return steps;
  return [
    ...steps,
    '',
    paint.dim(
      `  ${'region'.padEnd(NAME_WIDTH)}${'commits'.padStart(9)}${'per second'.padStart(12)}`,
    ),
    ...progress.regions.map((region) => regionLine(region, paint)),
    '',
    ...lagLines(progress, paint),
    '',
    `  ${'conflicts'.padEnd(NAME_WIDTH)}${formatCount(progress.conflicts).padStart(9)}` +
      paint.dim('  decided, both sides kept in everywrite.conflicts'),
  ];
}

export function stepLine({ name, what, state }: Step, paint: Paint): string {
  const title = name.padEnd(NAME_WIDTH);
  switch (state.kind) {
    case 'to-do':
      return paint.dim(`  · ${title}${what}`);
    case 'done': {
      const text = state.result ?? what;
      return `  ${paint.good('✔')} ${title}${text.padEnd(52)}${seconds(state.elapsedMs).padStart(8)}`;
    }
    default: {
      const { elapsedMs, totalMs } = state;
      const line = `  ${paint.bold('▸')} ${paint.bold(title)}`;
      if (totalMs === null) return `${line}${what.padEnd(52)}${seconds(elapsedMs).padStart(8)}`;
      return `${line}${what}\n    ${''.padEnd(NAME_WIDTH)}${bar(elapsedMs, totalMs, paint)}`;
    }
  }
}

function bar(elapsedMs: number, totalMs: number, paint: Paint): string {
  const share = Math.min(1, elapsedMs / totalMs);
  const full = Math.round(share * BAR);
  const rest = paint.dim('━'.repeat(BAR - full));
  return `${paint.good('━'.repeat(full))}${rest} ${whole(elapsedMs)} of ${whole(totalMs)} s`;
}

function regionLine({ region, commits, perSecond, history }: RegionProgress, paint: Paint): string {
  const greatest = Math.max(1, ...history);
  const line = history.map((rate) => {
    return LEVELS[Math.min(LEVELS.length - 1, Math.floor((rate / greatest) * LEVELS.length))] ?? '';
  });
  const numbers = `${formatCount(commits).padStart(9)}${perSecond.toFixed(0).padStart(12)}`;
  return `  ${paint.bold(region.padEnd(NAME_WIDTH))}${numbers}  ${paint.good(line.join(''))}`;
}

function lagLines({ regions, pairs }: Progress, paint: Paint): readonly string[] {
  const names = regions.map(({ region }) => region);
  const title = 'lag in ms'.padEnd(NAME_WIDTH);
  const heads = names.map((name) => `seen in ${name}`.padEnd(CELL_WIDTH)).join('');
  return [
    paint.dim(`  ${title}${heads}`.trimEnd()),
    ...names.map((from) => {
      const cells = names.map((to) => {
        const pair = pairs.find((one) => one.from === from && one.to === to);
        return pair === undefined ? ''.padEnd(CELL_WIDTH) : lagCell(pair, paint);
      });
      return `  ${paint.bold(`from ${from}`.padEnd(NAME_WIDTH))}${cells.join('')}`.trimEnd();
    }),
    paint.dim('  p50 / p99 of the last 5 s, commit to visible, +n: the link itself'),
  ];
}

function lagCell({ link, latencyMs }: PairProgress, paint: Paint): string {
  switch (link.kind) {
    case 'cut':
      return paint.bad(`cut for ${whole(link.sinceMs)} s`.padEnd(CELL_WIDTH));
    case 'catching-up':
      return paint.warn(`${(link.behindMs / 1_000).toFixed(1)} s behind`.padEnd(CELL_WIDTH));
    default: {
      const { lag } = link;
      const text = lag === null ? '-' : `${lagNumber(lag.p50)} / ${lagNumber(lag.p99)}`;
      const plus = `+${latencyMs}`;
      return `${text.padEnd(CELL_WIDTH - 7)}${paint.dim(plus.padEnd(7))}`;
    }
  }
}

/** One decimal while that says something; seconds where milliseconds say too much. */
export function lagNumber(ms: number): string {
  if (ms >= 9_999.5) return `${whole(ms)} s`;
  return ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function whole(ms: number): string {
  return (ms / 1_000).toFixed(0);
}
