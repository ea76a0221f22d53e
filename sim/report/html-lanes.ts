import { faultIntervals } from '#sim/check/fault-intervals.ts';
import type { FaultInterval } from '#sim/check/fault-intervals.ts';
import { escaped, REGION_COLOURS } from '#sim/report/html-style.ts';
import { axis, LEFT, WIDTH, xOf } from '#sim/report/html-axis.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { formatInstant } from '#sim/scenario/quantity.ts';

const LANE = 22;
const PROCESSES = ['clients', 'pg', 'log', 'repl', 'links'] as const;
const CELLS = 120;

/** Lanes per region and process: what clients got, and what was broken when. */
export function laneSection(judged: JudgedRun): string {
  const { truth } = judged.run;
  const { regions, endUs, healUs } = truth.frame;
  const faults = faultIntervals(truth.events, endUs);
  const lanes = regions.flatMap((region) => PROCESSES.map((process) => ({ region, process })));
  const height = lanes.length * LANE + regions.length * 10 + 30;
  let y = 6;
  const parts: string[] = [];
  for (const [at, { region, process }] of lanes.entries()) {
    if (at > 0 && at % PROCESSES.length === 0) {
      parts.push(`<line x1="0" x2="${WIDTH}" y1="${y + 4}" y2="${y + 4}" stroke="var(--line)"/>`);
      y += 10;
    }
    const colour = REGION_COLOURS[regions.indexOf(region) % REGION_COLOURS.length] ?? '';
    const label = process === 'clients' ? region : process;
    const style = process === 'clients' ? `font-weight="600" style="fill:${colour}"` : '';
    parts.push(
      `<text x="${LEFT - 10}" y="${y + 15}" text-anchor="end" ${style}>${escaped(label)}</text>`,
    );
    parts.push(
      `<rect x="${LEFT}" y="${y + 3}" width="${WIDTH - LEFT}" height="${LANE - 6}" rx="2" fill="var(--ground)"/>`,
    );
    parts.push(
      process === 'clients'
        ? operationCells(judged, region, y, endUs)
        : faults
            .filter((fault) => touches(fault, region, process))
            .map((fault) => bar(fault, y, endUs))
            .join(''),
    );
    y += LANE;
  }
  const healX = xOf(healUs, endUs);
  const heal =
    faults.length > 0
      ? `<line x1="${healX}" x2="${healX}" y1="0" y2="${y}" stroke="var(--good)" stroke-dasharray="3 3"/><text x="${healX + 4}" y="-3" style="fill:var(--good)">heal</text>`
      : '';
  return `<section><h2>What happened</h2><svg viewBox="0 -14 ${WIDTH} ${height + 14}" role="img" aria-label="regions and faults over time">${parts.join('')}${heal}${axis(endUs, y + 4)}</svg>
<p class="legend"><span><i style="background:#2b8a6a"></i>operations answered</span><span><i style="background:#d9a21b"></i>refused</span><span><i style="background:#b3261e"></i>no answer</span><span><i style="background:#e0948f"></i>fault</span></p></section>`;
}

function touches(fault: FaultInterval, region: string, process: string): boolean {
  return fault.targets.some((target) => {
    if (process === 'links') return target.includes('>') && target.startsWith(`${region}>`);
    if (target === region || target === `${region}.${process}`) return true;
    return process === 'repl' && target === `${region}.clock`;
  });
}

function bar({ name, what, fromUs, toUs }: FaultInterval, y: number, endUs: number): string {
  const x = xOf(fromUs, endUs);
  const width = Math.max(3, xOf(toUs, endUs) - x);
  const label =
    width > name.length * 6 + 8
      ? `<text x="${x + 5}" y="${y + 15}" style="fill:#7a1a14">${escaped(name)}</text>`
      : '';
  return `<g><title>${escaped(`${what}, ${formatInstant(fromUs)} to ${formatInstant(toUs)}`)}</title><rect x="${x}" y="${y + 3}" width="${width}" height="${LANE - 6}" rx="2" fill="#e0948f"/>${label}</g>`;
}

/** A heat map of one region's clients: dark where much was answered, red where somebody waited in vain. */
function operationCells(judged: JudgedRun, region: string, y: number, endUs: number): string {
  const cells = Array.from({ length: CELLS }, () => ({ ok: 0, fail: 0, info: 0 }));
  for (const { invoke, complete } of judged.run.truth.operations) {
    if (invoke.home !== region) continue;
    const cell = cells[Math.min(CELLS - 1, Math.floor((invoke.scheduledUs / endUs) * CELLS))];
    if (cell !== undefined) cell[complete?.kind ?? 'info'] += 1;
  }
  const most = Math.max(1, ...cells.map(({ ok, fail, info }) => ok + fail + info));
  const width = (WIDTH - LEFT) / CELLS;
  return cells
    .map(({ ok, fail, info }, at) => {
      const all = ok + fail + info;
      if (all === 0) return '';
      const colour = info > 0 ? '#b3261e' : fail * 4 > all ? '#d9a21b' : '#2b8a6a';
      const opacity = (0.3 + 0.7 * (all / most)).toFixed(2);
      const x = (LEFT + at * width).toFixed(1);
      return `<rect x="${x}" y="${y + 3}" width="${(width - 0.6).toFixed(1)}" height="${LANE - 6}" fill="${colour}" opacity="${opacity}"><title>${ok} answered, ${fail} refused, ${info} without answer</title></rect>`;
    })
    .join('');
}
