import { systemClock } from '#replicator/system-ports.ts';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Io } from '#deploy/cli/command.ts';
import { parseFlags, usageError } from '#deploy/cli/flags.ts';
import { loadScenario } from '#sim/cli/load-scenario.ts';
import { many } from '#sim/cli/many-seeds.ts';
import { count } from '#sim/cli/count-flag.ts';
import { reportHtml } from '#sim/report/html-report.ts';
import { runJson } from '#sim/report/run-json.ts';
import { runPage } from '#sim/report/run-page.ts';
import { playScenario } from '#sim/run/play.ts';
import { EXIT_CODES } from '#sim/run/report.ts';
import type { JudgedRun } from '#sim/run/report.ts';

/** Where failing runs are written down; not part of the repository. */
const OUT = 'out';

export async function runCommand(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(
    'run',
    args,
    {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      twice: { type: 'boolean' },
      json: { type: 'boolean' },
      report: { type: 'string' },
      set: { type: 'string', multiple: true },
    },
    'words',
  );
  const [name] = positionals;
  if (name === undefined || positionals.length > 1)
    throw usageError('sim run takes one scenario; "sim list scenarios" shows them.');
  const settings = values.set ?? [];
  const scenario = loadScenario(name, settings);
  const seed = count('seed', values.seed, 1);
  if (values.seeds !== undefined) {
    const seeds = count('seeds', values.seeds, 1);
    const play = (at: number): Promise<JudgedRun> => playScenario(scenario, at);
    return many({ from: seed, seeds, untilMs: null, play, io, label: `sim run ${name}` });
  }
  const repeat = ['sim run', name, '--seed', seed, ...settings.map((s) => `--set ${s}`)].join(' ');
  const begunMs = systemClock.monotonicMs();
  const judged = await playScenario(scenario, seed, values.twice ?? false);
  const wallMs = systemClock.monotonicMs() - begunMs;
  const context = { repeat, versions: versions(), wallMs };
  if (values.json === true) io.out(`${JSON.stringify(runJson(judged, context), null, 2)}\n`);
  else io.out(runPage(judged, context));
  if (values.report !== undefined) {
    mkdirSync(dirname(values.report), { recursive: true });
    writeFileSync(values.report, reportHtml(judged, context));
    if (values.json !== true) io.out(`  report: ${values.report}\n`);
  }
  if (judged.outcome === 'violated') io.err(`  written down: ${writePlan(judged)}\n`);
  return EXIT_CODES[judged.outcome];
}

/** The run as a file that `sim replay` and `sim shrink` take. */
export function writePlan(judged: JudgedRun): string {
  const { plan } = judged.run;
  const path = join(OUT, `${plan.scenario.name}-${plan.seed}.json`);
  mkdirSync(OUT, { recursive: true });
  writeFileSync(path, `${JSON.stringify(plan, null, 1)}\n`);
  return path;
}

export function versions(): string {
  return `node ${process.versions.node}  v8 ${process.versions.v8}`;
}
