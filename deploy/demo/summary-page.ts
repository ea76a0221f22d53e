import { formatCount, formatMs } from '#deploy/cli/quantities.ts';
import { verifyPage } from '#deploy/cli/verify-page.ts';
import { isClean } from '#deploy/demo/audit.ts';
import type { Audit } from '#deploy/demo/audit.ts';
import { conflictSentences } from '#deploy/demo/conflict-sentences.ts';
import type { DemoReport } from '#deploy/demo/demo-report.ts';
import type { LagFigures } from '#deploy/demo/lag-recorder.ts';
import type { Paint } from '#deploy/demo/paint.ts';

const TITLE_WIDTH = 15;
const SHOWN_MAX = 5;

/** The end of the demo in words. */
export function summaryPage(report: DemoReport, paint: Paint): string {
  const lines = [
    '',
    ...facts(report).map(([title, good, text]) => {
      const mark = good ? paint.good('✔') : paint.bad('✘');
      return `  ${mark} ${paint.bold(title.padEnd(TITLE_WIDTH))}${text}`;
    }),
    '',
    ...examples(report, paint),
    ...(report.converged ? [] : [verifyPage(report.verify)]),
    ...report.audits.filter((audit) => !isClean(audit)).flatMap(auditLines),
    verdict(report, paint),
    '',
  ];
  return lines.join('\n');
}

type Line = readonly [title: string, good: boolean, text: string];

function facts(report: DemoReport): readonly Line[] {
  const { audits, conflicts, verify, torn } = report;
  const lost = audits.some(({ lostOrders, lostNotes }) => lostOrders.length + lostNotes.length > 0);
  const miscounted = audits.some(({ wrongCounters }) => wrongCounters.length > 0);
  const half = torn.seen > 0 || audits.some(({ tornOrders }) => tornOrders.length > 0);
  const rows = Object.values(verify.tables).reduce(
    (sum, table) => sum + (table.rows[verify.regions[0] ?? ''] ?? 0),
    0,
  );
  return [
    ['written', true, written(report)],
    [
      'counters',
      !miscounted,
      `${formatCount(report.increments)} increments acknowledged, ` +
        (miscounted ? 'NOT all counted once' : 'each counted exactly once'),
    ],
    [
      'inserts',
      !lost,
      `${formatCount(report.inserts)} rows acknowledged, ${lost ? 'SOME ARE LOST' : 'none lost'}`,
    ],
    [
      'transactions',
      !half,
      half
        ? `${torn.seen} of ${torn.looks} looks SAW HALF of one`
        : `always whole: ${formatCount(torn.looks)} looks, no order without all its lines`,
    ],
    [
      'conflicts',
      verify.conflicts.same,
      `${formatCount(conflicts)} merged and recorded, ` +
        (verify.conflicts.same ? 'the same verdicts in every region' : 'NOT the same everywhere'),
    ],
    ['lag', true, lagText(report)],
    ...cutLines(report),
    [
      'compared',
      report.converged,
      `${verify.tables.length} tables, ${formatCount(rows)} rows per region: ` +
        (report.converged ? 'equal, row by row' : 'DIFFERENT'),
    ],
  ];
}

function written({ commits, writtenSeconds }: DemoReport): string {
  const total = Object.values(commits).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(commits).map(([region, count]) => `${region} ${formatCount(count)}`);
  return `${formatCount(total)} transactions in ${writtenSeconds.toFixed(0)} s (${each.join(', ')})`;
}

function lagText({ lag, pairs }: DemoReport): string {
  if (lag === null) return 'not measured';
  const latencies = pairs.map(({ latencyMs }) => latencyMs);
  const links = `${Math.min(...latencies)}–${Math.max(...latencies)} ms`;
  return `${lagOf(lag)}, and ${links} of the links on top`;
}

function lagOf({ p50, p99 }: LagFigures): string {
  return `p50 ${formatMs(p50)}, p99 ${formatMs(p99)}`;
}

function cutLines({ cut }: DemoReport): readonly Line[] {
  if (cut === null) return [];
  const alone = `${formatMs(cut.cutMs)}, wrote ${formatCount(cut.commitsAlone)} on its own;`;
  const back =
    cut.caughtUpMs === null ? 'NOT caught up' : `all caught up ${formatMs(cut.caughtUpMs)}`;
  const meanwhile = cut.othersLag === null ? 'nothing came through' : lagOf(cut.othersLag);
  return [
    [`${cut.region} cut off`, cut.caughtUpMs !== null, `${alone} ${back} after healing`],
    ['  the others', cut.othersLag !== null, `lag meanwhile ${meanwhile}`],
  ];
}

function examples(report: DemoReport, paint: Paint): readonly string[] {
  if (report.examples.length === 0) return [];
  return [
    paint.dim('  Some of the conflicts:'),
    ...report.examples.flatMap((conflict) =>
      conflictSentences(conflict).map((line, at) => `  ${at === 0 ? '-' : ' '} ${line}`),
    ),
    '',
  ];
}

function auditLines(found: Audit): readonly string[] {
  const few = (items: readonly string[]): string =>
    items.slice(0, SHOWN_MAX).join(', ') + (items.length > SHOWN_MAX ? ', …' : '');
  const wrong = found.wrongCounters.map(
    ({ counter, expected, found: is }) => `${counter} is ${is ?? 'missing'}, not ${expected}`,
  );
  const of = (title: string, items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [`  ${found.region}: ${items.length} ${title}: ${few(items)}`];
  return [
    ...of('wrong counters', wrong),
    ...of('lost orders', found.lostOrders),
    ...of('orders without all lines', found.tornOrders),
    ...of('lost notes', found.lostNotes),
    '',
  ];
}

function verdict({ ok, converged, regions, elapsedMs }: DemoReport, paint: Paint): string {
  const names = `${regions.slice(0, -1).join(', ')} and ${regions.at(-1) ?? ''}`;
  if (ok) {
    const text = `CONVERGED: ${names} hold the same rows, and nothing was lost.`;
    return `  ${paint.good(paint.bold(text))} ${paint.dim(`(${formatMs(elapsedMs)})`)}`;
  }
  const text = converged ? 'CONVERGED, but see above.' : 'NOT CONVERGED: see above.';
  return `  ${paint.bad(paint.bold(text))}`;
}
