import type { PageContext } from '#sim/report/run-page.ts';
import type { JudgedRun } from '#sim/run/report.ts';

export function reportHtml(judged: JudgedRun, context: PageContext): string {
  return `${judged.outcome} ${context.repeat}`;
}
