import { chartSection } from '#sim/report/html-charts.ts';
import { laneSection } from '#sim/report/html-lanes.ts';
import { escaped, STYLE } from '#sim/report/html-style.ts';
import { toldBest } from '#sim/report/run-page.ts';
import type { PageContext } from '#sim/report/run-page.ts';
import { storyOf } from '#sim/report/story.ts';
import type { JudgedRun } from '#sim/run/report.ts';
import { formatUs } from '#sim/scenario/quantity.ts';

/** The whole report as one page that needs nothing else: for a post-mortem, or an auditor. */
export function reportHtml(judged: JudgedRun, context: PageContext): string {
  const { plan } = judged.run;
  const title = `${plan.scenario.name}, seed ${plan.seed}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body><main>
${header(judged, context)}
${story(judged)}
${tiles(judged)}
${laneSection(judged)}
${chartSection(judged)}
${properties(judged)}
${footer(judged, context)}
</main></body></html>
`;
}

function header(judged: JudgedRun, { repeat }: PageContext): string {
  const { scenario, seed } = judged.run.plan;
  const bad = judged.outcome === 'pass' ? 'good' : judged.outcome === 'violated' ? 'bad' : 'open';
  return `<header><p class="verdict ${bad}">${escaped(judged.outcome)}</p>
<h1>${escaped(scenario.name)} <small>seed ${seed}</small></h1>
<p class="about">${escaped(scenario.about)}</p><code>${escaped(repeat)}</code></header>`;
}

function story(judged: JudgedRun): string {
  if (judged.reasons.length === 0) return '';
  const reasons = judged.reasons
    .slice(0, 6)
    .map(
      ({ kind, what, text }) =>
        `<li><b>${escaped(what)}</b> ${escaped(kind)}: ${escaped(text)}</li>`,
    )
    .join('');
  const best = toldBest(judged, judged.reasons);
  const verdict = judged.properties.find(({ id }) => id === best?.what)?.verdict;
  const [witness] = verdict?.valid === false ? verdict.witnesses : [];
  const lines = witness === undefined ? [] : storyOf(judged.run.truth, witness);
  const rows = lines.map(({ atUs, who, text }, at) => {
    const kind = at === lines.length - 1 ? 'here' : who === 'FAULT' ? 'fault' : '';
    return `<tr class="${kind}"><td>${(atUs / 1_000_000).toFixed(3)} s</td><td>${escaped(who)}</td><td>${escaped(text)}</td></tr>`;
  });
  const table = rows.length === 0 ? '' : `<table class="story">${rows.join('')}</table>`;
  return `<section><h2>What went wrong</h2><ul>${reasons}</ul>${table}</section>`;
}

function tiles(judged: JudgedRun): string {
  const { point, times, lag, work } = judged;
  const write = times.find(({ action }) => action === 'write')?.total ?? null;
  const read = times.find(({ action }) => action === 'read')?.total ?? null;
  const { healUs } = judged.run.truth.frame;
  const converged =
    judged.convergedUs === null ? 'never' : formatUs(Math.max(0, judged.convergedUs - healUs));
  const cards = [
    tile('Acknowledged writes', String(work.writes), `${point.lost} lost`, point.lost > 0),
    tile(
      'RPO if a region were lost',
      point.exposure === null ? '–' : formatUs(point.exposure.p99Us),
      `p99; at worst ${formatUs(point.exposure?.maxUs ?? 0)}`,
    ),
    tile(
      'Stranded',
      String(point.stranded.count),
      point.stranded.count === 0
        ? 'no write was alone in a failing region'
        : `oldest ${formatUs(point.stranded.oldestUs)}, ${point.stranded.backUs === null ? 'not all back' : 'all back'}`,
    ),
    tile(
      'RTO, writes',
      write === null ? '–' : formatUs(write.p95Us),
      write === null ? 'no region stopped answering' : `p95; p50 ${formatUs(write.p50Us)}`,
    ),
    tile(
      'RTO, reads',
      read === null ? '–' : formatUs(read.p95Us),
      read === null ? 'no region stopped answering' : `p95; p50 ${formatUs(read.p50Us)}`,
    ),
    tile('Converged', converged, 'after the heal', judged.convergedUs === null),
    tile(
      'Visible elsewhere',
      lag.all === null ? '–' : formatUs(lag.all.p50Us),
      `p50; p99 ${formatUs(lag.all?.p99Us ?? 0)}`,
    ),
    tile(
      'Conflicts',
      String(point.superseded),
      `${point.recorded} of them recorded in every region`,
      point.recorded < point.superseded,
    ),
  ];
  return `<section class="tiles">${cards.join('')}</section>`;
}

function tile(name: string, value: string, note: string, bad = false): string {
  return `<div class="tile${bad ? ' bad' : ''}"><span>${escaped(name)}</span><b>${escaped(value)}</b><i>${escaped(note)}</i></div>`;
}

function properties({ properties: all }: JudgedRun): string {
  const rows = all.map(({ id, name, verdict, excused }) => {
    const kind =
      verdict.valid === true
        ? 'good'
        : verdict.valid === 'unknown' || excused !== null
          ? 'open'
          : 'bad';
    const word =
      verdict.valid === true ? 'holds' : verdict.valid === false ? 'violated' : 'unknown';
    const first = verdict.witnesses[0]?.text ?? '';
    const note = [verdict.judged, excused ?? '', first].filter((part) => part !== '').join('; ');
    return `<tr><td>${id}</td><td>${escaped(name)}</td><td><span class="badge ${kind}">${word}</span></td><td>${escaped(note)}</td></tr>`;
  });
  return `<section><h2>Properties</h2><table class="properties">${rows.join('')}</table></section>`;
}

function footer({ run }: JudgedRun, { versions, wallMs }: PageContext): string {
  const simulated = formatUs(run.truth.frame.endUs);
  return `<footer>${simulated} simulated in ${formatUs(wallMs * 1_000)} · ${run.eventCount} events · trace ${run.traceHash} · ${escaped(versions)}</footer>`;
}
