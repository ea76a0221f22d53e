import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, Io } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { statusPage } from '#deploy/cli/status-page.ts';
import { clusterReport } from '#deploy/inspect/cluster-report.ts';
import type { ClusterReport } from '#deploy/inspect/cluster-report.ts';
import { reportRegion } from '#deploy/inspect/region-report.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';

const WATCH_INTERVAL_MS = 1_000;
const CLEAR_SCREEN = '\u001B[H\u001B[2J';

export const status: Command = {
  name: 'status',
  summary: 'show how every region stands with every other',
  help: `everywrite status: show how every region stands with every other

Usage: everywrite status --config FILE [--region NAME] [--watch] [--json]

Asks every region's replicator and looks into every region's PostgreSQL. Changes nothing.

Per region: the phase of its replicator, its replication slot, the WAL that PostgreSQL keeps for it
and may still keep, what is captured and not yet in the log, the index of the unstable end, rows that
the table refuses (quarantine) and recorded conflicts. Per pair: who delivers, how far the changes of
one region are applied in the other, how far behind in transactions, time and bytes, queue, clock.
Under it, each problem with what to do.

Options:
  --config FILE   the configuration, YAML or JSON
  --region NAME   only this region, and its pairs as seen from there
  --watch         again every second, until Ctrl-C
  --json          print one JSON object (a line each with --watch):
                  {cluster, at, verdict: ok|attention|unreachable,
                   regions: [{region, server, admin,
                     replicator: {kind: answers, status} | {kind: unreachable, error},
                     database: {kind: answers, prepared, appliedVector, slot, conflicts, quarantined,
                       quarantine} | {kind: unreachable, error}}],
                   pairs: [{from, to, source: origin|relay|null, via, applied, captured,
                     behindTransactions, lagMs, lagBytes, queuedTransactions, silentMs, clockOffsetMs, error}],
                   problems: [{region, peer, code, message, fix}]}

Exits with 0 when all replicators run and nothing is quarantined, with 1 when something needs
attention, with 3 when nothing can be reached.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('status', args, {
      config: { type: 'string' },
      region: { type: 'string' },
      watch: { type: 'boolean' },
      json: { type: 'boolean' },
    });
    const config = await loadConfig(required('status', 'config', values.config), io.env);
    const regions =
      values.region === undefined
        ? [...config.regions.values()]
        : [regionConfig(config, values.region)];
    const show = (report: ClusterReport): string =>
      values.json === true ? `${JSON.stringify(report)}\n` : statusPage(report);
    if (values.watch !== true) {
      const report = await look(config, regions, io.signal);
      io.out(show(report));
      return exitCode(report);
    }
    const clear = values.json === true ? '' : CLEAR_SCREEN;
    return watch(config, regions, io, (report) => io.out(`${clear}${show(report)}`));
  },
};

async function look(
  config: ClusterConfig,
  regions: readonly RegionConfig[],
  signal: AbortSignal,
): Promise<ClusterReport> {
  const reports = await Promise.all(regions.map((region) => reportRegion(config, region, signal)));
  return clusterReport(config.cluster, reports, new Date());
}

async function watch(
  config: ClusterConfig,
  regions: readonly RegionConfig[],
  io: Io,
  show: (report: ClusterReport) => void,
): Promise<number> {
  let code: number = EXIT_OK;
  try {
    for (;;) {
      const report = await look(config, regions, io.signal);
      show(report);
      code = exitCode(report);
      await sleep(WATCH_INTERVAL_MS, undefined, { signal: io.signal });
    }
  } catch (error) {
    // Ctrl-C is how watching ends; the code then tells what was seen last.
    if (io.signal.aborted) return code;
    throw error;
  }
}

function exitCode({ verdict }: ClusterReport): number {
  if (verdict === 'ok') return EXIT_OK;
  return verdict === 'unreachable' ? EXIT_UNREACHABLE : EXIT_FAILED;
}
