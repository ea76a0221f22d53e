import { setTimeout as sleep } from 'node:timers/promises';
import type { Command, Io } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { LOG_LEVELS, logLevel } from '#deploy/cli/log-level.ts';
import { untilAborted } from '#deploy/cli/until-aborted.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import { startReplicator } from '#replicator/replicator.ts';
import { systemLogger } from '#replicator/system-ports.ts';

// Shorter than what systemd, Docker (10 s) and Kubernetes (30 s) wait before they kill. Nothing is
// lost by being killed: what is not durable yet is captured again.
const SHUTDOWN_MS = 9_000;

export const run: Command = {
  name: 'run',
  summary: "run one region's replicator",
  help: `everywrite run: run one region's replicator

Usage: everywrite run --config FILE --region NAME [--log-level LEVEL]

Captures what this region's database commits, logs it in the region's nats-server, and applies what
the other regions wrote. Runs until it is stopped. A database, nats-server or peer that is down is
waited for; the log says so. A second replicator of one region waits and takes over.

Prepare the region first, with "everywrite init".

Options:
  --config FILE      the configuration, YAML or JSON
  --region NAME      which of its regions to run
  --log-level LEVEL  ${LOG_LEVELS.join(', ')}; "info" when left out

The log goes to standard error, one JSON object a line. The region's "admin" address serves /status
(JSON), /metrics (Prometheus), /livez, and /readyz (200 once the region replicates, else 503).

SIGTERM stops it cleanly and exits with 0; Ctrl-C does so too and exits with 130. It exits with 1
when that took longer than ${SHUTDOWN_MS / 1000} s. Being killed at any moment loses nothing.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('run', args, {
      config: { type: 'string' },
      region: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
    });
    const config = await loadConfig(required('run', 'config', values.config), io.env);
    const { region, admin } = regionConfig(config, required('run', 'region', values.region));
    const logger = systemLogger({ region }, logLevel(values['log-level']));
    const replicator = await startReplicator(config, region, logger);
    logger.log('info', 'replicator started', { admin: `http://${admin.host}:${admin.port}` });
    await untilAborted(io.signal);
    logger.log('info', 'stopping', { signal: String(io.signal.reason) });
    const stopped = replicator.stop().then(() => true);
    if (!(await Promise.race([stopped, sleep(SHUTDOWN_MS, false, { ref: false })]))) {
      logger.log('warn', 'not everything closed in time', { waitedMs: SHUTDOWN_MS });
      return EXIT_FAILED;
    }
    logger.log('info', 'stopped');
    return exitCodeOfStop(io);
  },
};

/** Asked to end by a service manager is success; interrupted by a person is 130, as in a shell. */
function exitCodeOfStop(io: Io): number {
  return io.signal.reason === 'SIGTERM' ? EXIT_OK : EXIT_INTERRUPTED;
}
