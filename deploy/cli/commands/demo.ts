import type { Command, Io } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, usageError } from '#deploy/cli/flags.ts';
import { blockDisplay, lineDisplay, terminalOf } from '#deploy/demo/display.ts';
import type { Display } from '#deploy/demo/display.ts';
import type { DemoReport } from '#deploy/demo/demo-report.ts';
import { LiveView } from '#deploy/demo/live-view.ts';
import { demoSteps, playScenario } from '#deploy/demo/scenario.ts';
import { openStage } from '#deploy/demo/stage.ts';
import type { Stage } from '#deploy/demo/stage.ts';
import { summaryPage } from '#deploy/demo/summary-page.ts';

const HEADLINE =
  '\nThree regions, each with its own PostgreSQL, all of them written to at once.\n\n';
const SECONDS = { default: 35, minimum: 4, maximum: 600 };

export const demo: Command = {
  name: 'demo',
  summary: 'three regions on this machine, written to everywhere, cut and healed',
  help: `everywrite demo: three regions on this machine, written to everywhere, cut and healed

Usage: everywrite demo [--seconds N] [--json] [--keep]

Starts three regions (eu, us, ap), each with a PostgreSQL and a nats-server of its own and slow links
between them. Writers in all of them change the same rows with plain SQL. After a while ap is cut off
for some seconds while everybody goes on; then it is healed. In the end all regions are compared row
by row, and with what PostgreSQL had acknowledged to the writers: every increment counted once, no
insert lost. Takes about a minute and leaves nothing behind.

Options:
  --seconds N   how long to write, ${SECONDS.minimum} to ${SECONDS.maximum}; ${SECONDS.default} when left out
  --keep        leave the regions running afterwards, to look around, until Ctrl-C
  --json        print one JSON object in the end; progress goes to standard error

Exits with 0 only if all regions are equal and nothing was lost.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('demo', args, {
      seconds: { type: 'string', default: String(SECONDS.default) },
      json: { type: 'boolean' },
      keep: { type: 'boolean' },
    });
    const seconds = Number(values.seconds);
    if (!(seconds >= SECONDS.minimum && seconds <= SECONDS.maximum)) {
      const { minimum, maximum } = SECONDS;
      throw usageError(`--seconds is a number from ${minimum} to ${maximum}.`);
    }
    const start = performance.now();
    const display = displayOf(io, values.json === true);
    if (values.json !== true) io.out(HEADLINE);
    const steps = demoSteps();
    const view = new LiveView(display, steps);
    let stage: Stage | undefined;
    try {
      stage = await openStage(steps, io.signal);
      const played = await playScenario(stage, steps, view, seconds, io.signal);
      const report = { ...played, elapsedMs: Math.round(performance.now() - start) };
      view.stop();
      io.out(
        values.json === true ? `${JSON.stringify(report)}\n` : summaryPage(report, display.paint),
      );
      if (values.keep === true) await keep(stage, io);
      return exitCode(report);
    } finally {
      view.stop();
      await stage?.close();
    }
  },
};

function displayOf(io: Io, json: boolean): Display {
  if (json) return lineDisplay((text) => io.err(text));
  const terminal = terminalOf(process.stdout, io.env);
  const out = (text: string): void => io.out(text);
  return terminal.interactive ? blockDisplay(out, terminal) : lineDisplay(out);
}

async function keep(stage: Stage, io: Io): Promise<void> {
  const { configPath } = stage.cluster;
  io.err('The regions go on running until Ctrl-C. Look around:\n');
  for (const [region, url] of stage.urls) io.err(`  ${region}  psql ${url}\n`);
  for (const command of ['status', 'verify']) {
    io.err(`  npx everywrite ${command} --config ${configPath}\n`);
  }
  await new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve();
    else io.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function exitCode({ ok }: DemoReport): number {
  return ok ? EXIT_OK : EXIT_FAILED;
}
