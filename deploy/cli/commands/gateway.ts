import { setTimeout as sleep } from 'node:timers/promises';
import { EverywriteError } from '#core/errors.ts';
import type { Command } from '#deploy/cli/command.ts';
import { EXIT_CODES_HELP, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK } from '#deploy/cli/exit-codes.ts';
import { parseFlags, required } from '#deploy/cli/flags.ts';
import { LOG_LEVELS, logLevel } from '#deploy/cli/log-level.ts';
import { untilAborted } from '#deploy/cli/until-aborted.ts';
import { LiveGateway } from '#deploy/live-gateway.ts';
import { startGateway } from '#gateway/region-gateway.ts';
import type { GatewaySettings } from '#gateway/region-gateway.ts';
import { subscriptionFields } from '#gateway/subscriptions/subscription-fields.ts';
import { loadConfig, regionConfig } from '#replicator/config.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { systemLogger } from '#replicator/system-ports.ts';

const SHUTDOWN_MS = 9_000;

export const gateway: Command = {
  name: 'gateway',
  summary: "serve one region's database as GraphQL",
  help: `everywrite gateway: serve one region's database as GraphQL

Usage: everywrite gateway --config FILE --region NAME [--log-level LEVEL]

Reads the catalogue of the region's database and serves its tables, relations and functions at
http://HOST:PORT/graphql. Follows DDL by itself. Runs until it is stopped; a database that is down is
waited for. It needs no other region.

Options:
  --config FILE      the configuration, YAML or JSON; its section "gateway" is explained in
                     gateway/GATEWAY.md
  --region NAME      which of its regions to serve
  --log-level LEVEL  ${LOG_LEVELS.join(', ')}; "info" when left out

Nobody is let in until "gateway.auth" says how: a key to prove tokens with, or "anonymousRole".
The log goes to standard error, one JSON object a line. SIGTERM answers what is under way and exits
with 0; Ctrl-C does so too and exits with 130.

${EXIT_CODES_HELP}
`,
  async run(args, io) {
    const { values } = parseFlags('gateway', args, {
      config: { type: 'string' },
      region: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
    });
    const config = await loadConfig(required('gateway', 'config', values.config), io.env);
    const region = regionConfig(config, required('gateway', 'region', values.region));
    const logger = systemLogger({ region: region.region }, logLevel(values['log-level']));
    const { auth } = config.gateway;
    if (auth.jwksUrl === null && auth.secret === null && auth.anonymousRole === null) {
      logger.log('warn', 'nobody is let in: gateway.auth has no key and no anonymousRole');
    }
    const running = await startGateway(gatewaySettings(config, region), logger, io.signal, {
      subscriptions: subscriptionFields,
      extras: (parts) => new LiveGateway(config, region, parts, logger),
    }).catch((cause: unknown) => {
      throw startFailed(region, cause);
    });
    logger.log('info', 'gateway started', { url: running.url, schema: running.schema.hash });
    await untilAborted(io.signal);
    logger.log('info', 'stopping', { signal: String(io.signal.reason) });
    const stopped = running.stop(SHUTDOWN_MS - 1_000).then(() => true);
    if (!(await Promise.race([stopped, sleep(SHUTDOWN_MS, false, { ref: false })]))) {
      return EXIT_FAILED;
    }
    return io.signal.reason === 'SIGTERM' ? EXIT_OK : EXIT_INTERRUPTED;
  },
};

export function gatewaySettings(config: ClusterConfig, region: RegionConfig): GatewaySettings {
  const { gateway: section } = config;
  return {
    region: region.region,
    database: region.gatewayDatabase,
    ...region.gateway,
    schemas: section.schemas,
    introspection: section.introspection,
    corsOrigins: section.corsOrigins,
    trustedDocuments: section.trustedDocuments,
    auth: section.auth,
    mergeOf: (schema, table, column) => {
      const entry = config.columns.find((one) => {
        return one.schema === schema && one.table === table && one.column === column;
      });
      return entry === undefined ? undefined : mergeKind(entry.type);
    },
    limits: { ...section, connectTimeoutMs: config.replication.connectTimeoutMs },
  };
}

function mergeKind(type: string): ReturnType<GatewaySettings['mergeOf']> {
  const known = ['lww', 'counter', 'set', 'map', 'text'] as const;
  return known.find((kind) => kind === type) ?? 'other';
}

function startFailed(region: RegionConfig, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'EADDRINUSE') return cause;
  const { host, port } = region.gateway;
  const message = `${host}:${port} is taken by another program; set regions.${region.region}.gateway to a free address.`;
  return new EverywriteError({ code: 'SERVER_START_FAILED', recovery: 'operator', message, cause });
}
