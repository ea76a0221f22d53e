import type { Aim, Figure, Spread } from './figure.ts';
import { isMet, ratioOf } from './figure.ts';

/** A part that could not be measured, or whose nodes ended with different rows. */
export interface VoidPart {
  readonly part: string;
  readonly reason: string;
}

export interface Report {
  readonly quick: boolean;
  readonly runs: number;
  readonly seconds: number;
  readonly remarks: readonly string[];
  readonly figures: readonly Figure[];
  readonly voids: readonly VoidPart[];
}

const HEADINGS = ['', 'ours', 'native', 'ratio', 'aim', 'met'] as const;

export function tableText(report: Report): string {
  const rows = report.figures.map((figure) => [
    `${figure.part}: ${figure.name}, ${figure.unit}`,
    spreadText(figure.ours),
    spreadText(figure.native),
    ratioOf(figure)?.toFixed(2) ?? '',
    aimText(figure.aim),
    metText(isMet(figure)),
  ]);
  const widths = HEADINGS.map((heading, at) =>
    Math.max(heading.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  const lines = [line(HEADINGS), ...rows.map(line), ''];
  for (const figure of report.figures.filter((of) => of.notes.length > 0)) {
    const missed = isMet(figure) === false ? ' (aim missed)' : '';
    lines.push(`${figure.part}: ${figure.name}${missed}`);
    for (const note of figure.notes) lines.push(`  ${note}`);
  }
  for (const { part, reason } of report.voids) lines.push(`VOID ${part}: ${reason}`);
  lines.push(...report.remarks);
  lines.push(`medians of ${runsText(report)} (min–max); ${report.seconds.toFixed(0)} s in all`);
  return `${lines.join('\n')}\n`;
}

export function jsonText(report: Report): string {
  const figures = report.figures.map((figure) => ({
    ...figure,
    ratio: ratioOf(figure),
    met: isMet(figure),
  }));
  return `${JSON.stringify({ ...report, figures }, null, 2)}\n`;
}

/** Memory is measured once; elsewhere fewer runs than asked for mean that time ran out. */
function runsText({ runs, figures }: Report): string {
  const fewest = Math.min(...figures.flatMap(({ native }) => native?.runs ?? []), runs);
  return fewest < runs ? `${fewest} to ${runs} runs, for want of time` : `${runs} runs`;
}

function spreadText(spread: Spread | null): string {
  if (spread === null) return '–';
  const { median, min, max } = spread;
  return min === max ? number(median) : `${number(median)} (${number(min)}–${number(max)})`;
}

function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(2);
}

function aimText(aim: Aim | null): string {
  if (aim === null) return '';
  return aim.kind === 'at most' ? `≤ ${aim.value}` : `≥ ${aim.atLeast}×`;
}

function metText(met: boolean | null): string {
  return met === null ? '' : met ? 'yes' : 'NO';
}
