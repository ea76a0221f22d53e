import { faultIntervals } from '#sim/check/fault-intervals.ts';
import { axis, LEFT, WIDTH, xOf } from '#sim/report/html-axis.ts';
import { escaped, REGION_COLOURS } from '#sim/report/html-style.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { formatUs } from '#sim/scenario/quantity.ts';

const HEIGHT = 150;
const CELLS = 220;
const GAP = 6;

interface Point {
  readonly atUs: number;
  readonly us: number;
}

interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
}

/** Lag and exposure over time, faults shaded; logarithmic, because both span five orders of magnitude. */
export function chartSection(judged: JudgedRun): string {
  const { regions, endUs } = judged.run.truth.frame;
  const colourOf = (at: number): string => REGION_COLOURS[at % REGION_COLOURS.length] ?? '';
  const exposure = regions.map((region, at): Series => {
    const own = judged.point.exposureCurve.filter((sample) => sample.region === region);
    const points = own.map(({ atUs, ageUs }) => ({ atUs, us: ageUs }));
    return { name: region, colour: colourOf(at), points };
  });
  const lag = regions.map((region, at): Series => {
    const own = judged.lag.curve.filter(({ from }) => from === region);
    const points = own.map(({ atUs, lagUs }) => ({ atUs, us: lagUs }));
    return { name: region, colour: colourOf(at), points };
  });
  const legend = exposure
    .map(({ name, colour }) => `<span><i style="background:${colour}"></i>${escaped(name)}</span>`)
    .join('');
  return `<section><h2>What it meant</h2>
<h3>Exposure: age of the oldest acknowledged write that only this region has</h3>${chart(judged, exposure, endUs)}
<h3>Lag: from commit in this region until the slowest other region shows it</h3>${chart(judged, lag, endUs)}
<p class="legend">${legend}<span><i style="background:#e0948f"></i>fault</span></p></section>`;
}

function chart(judged: JudgedRun, series: readonly Series[], endUs: number): string {
  const most = Math.max(1_000_000, ...series.flatMap(({ points }) => points.map(({ us }) => us)));
  const top = Math.ceil(Math.log10(most));
  const yOf = (us: number): number =>
    Math.round((HEIGHT - ((Math.log10(Math.max(1_000, us)) - 3) / (top - 3)) * HEIGHT) * 10) / 10;
  const grid: string[] = [];
  for (let power = 3; power <= top; power += 1) {
    const y = yOf(10 ** power);
    grid.push(`<line x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}" stroke="var(--line)"/>`);
    grid.push(
      `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${formatUs(10 ** power)}</text>`,
    );
  }
  const shaded = faultIntervals(judged.run.truth.events, endUs).map(({ fromUs, toUs }) => {
    const x = xOf(fromUs, endUs);
    const width = Math.max(1, xOf(toUs, endUs) - x);
    return `<rect x="${x}" y="0" width="${width}" height="${HEIGHT}" fill="#e0948f" opacity=".18"/>`;
  });
  const lines = series.map(({ colour, points }) => line(points, colour, endUs, yOf));
  return `<svg viewBox="0 -8 ${WIDTH} ${HEIGHT + 30}" role="img">${shaded.join('')}${grid.join('')}${lines.join('')}${axis(endUs, HEIGHT)}</svg>`;
}

/** The worst of each of a few hundred slices: what an eye would take from all points, in few bytes. */
function line(
  points: readonly Point[],
  colour: string,
  endUs: number,
  yOf: (us: number) => number,
): string {
  const worst = new Map<number, number>();
  for (const { atUs, us } of points) {
    const cell = Math.min(CELLS - 1, Math.floor((atUs / endUs) * CELLS));
    worst.set(cell, Math.max(worst.get(cell) ?? 0, us));
  }
  const cells = [...worst].toSorted(([l], [r]) => l - r);
  // Where nothing was measured for a while, nothing is drawn.
  const path = cells
    .map(
      ([cell, us], at) =>
        `${cell - (cells[at - 1]?.[0] ?? -GAP) >= GAP ? 'M' : 'L'}${xOf(((cell + 0.5) / CELLS) * endUs, endUs)} ${yOf(us)}`,
    )
    .join('');
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round"/>`;
}
