import { readFile } from 'node:fs/promises';
import { EverywriteError } from '#core/errors.ts';
import { parseRegionId } from '#core/region.ts';
import type { RowPolicy } from '#core/relation.ts';
import type { RegionId } from '#core/region.ts';
import { parseColumnType } from '#core/column-type-text.ts';
import { crossChecks, sequenceOffset } from '#replicator/config/cross-checks.ts';
import { readDocument, resolveUrls } from '#replicator/config/document.ts';
import type { Environment } from '#replicator/config/environment.ts';
import { gatewayConfig } from '#replicator/config/gateway-config.ts';
import type { GatewayConfig } from '#replicator/config/gateway-config.ts';
import { didYouMean } from '#replicator/config/nearest-name.ts';
import { nameParts } from '#replicator/config/object-name.ts';
import { decodeFile } from '#replicator/config/problems.ts';
import type { ConfigProblem } from '#replicator/config/problems.ts';
import { ADMIN_ADDRESS, LOG_BOUNDS, REPLICATION_BOUNDS } from '#replicator/config/schema.ts';
import type { Bound, ConfigFile } from '#replicator/config/schema.ts';

const FIRST_ADMIN_PORT = 7101;
const FIRST_GATEWAY_PORT = 7301;

/** One cluster as its configuration file describes it, every default filled in. */
export interface ClusterConfig {
  readonly cluster: string;
  /** In the order of the file. */
  readonly regions: ReadonlyMap<RegionId, RegionConfig>;
  readonly tables: TablePatterns;
  readonly columns: readonly ColumnConfig[];
  readonly rows: readonly RowsConfig[];
  readonly replication: ReplicationConfig;
  readonly log: LogConfig;
  readonly gateway: GatewayConfig;
}

export interface RegionConfig {
  readonly region: RegionId;
  /** May hold a password: print `serverOf(database)`, never this. */
  readonly database: string;
  readonly nats: string;
  readonly admin: { readonly host: string; readonly port: number };
  /** Where the region's gateway listens. */
  readonly gateway: { readonly host: string; readonly port: number };
  /** Whom the gateway logs in as: a role of its own, which row-level security binds. */
  readonly gatewayDatabase: string;
  /** How this region dials a peer's NATS where that is not the peer's own `nats` url. */
  readonly peers: ReadonlyMap<RegionId, string>;
  /** This region's residue of every striped sequence; never changes once the region is prepared. */
  readonly sequenceOffset: number;
}

export interface TablePatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export interface ColumnConfig {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** In its one form: `rank(a<b<c)`. */
  readonly type: string;
}

export interface RowsConfig {
  readonly schema: string;
  readonly table: string;
  readonly rows: RowPolicy;
}

export type ReplicationConfig = {
  readonly [name in keyof typeof REPLICATION_BOUNDS]: number;
} & { readonly origin: 'auto' | 'marker'; readonly failoverSlot: boolean };

export type LogConfig = { readonly [name in keyof typeof LOG_BOUNDS]: number } & {
  readonly syncAlways: boolean;
};

/** Reads and checks a configuration file. Every problem in it is told at once, as CONFIG_INVALID. */
export async function loadConfig(path: string, environment: Environment): Promise<ClusterConfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw invalid(
      `The configuration file ${path} cannot be read (${why}); name another one with --config.`,
      cause,
    );
  }
  return parseConfig(text, environment, path);
}

/** The configuration in `text`; `source` names it in error messages. */
export function parseConfig(
  text: string,
  environment: Environment,
  source = 'the configuration',
): ClusterConfig {
  const document = readDocument(text);
  if (document.kind === 'wrong') throw problemsFound(source, document.problems);
  const resolved = resolveUrls(document.value, environment);
  const decoded = decodeFile(resolved.value);
  const unresolved = new Set(resolved.problems.map((problem) => problem.path));
  const wrong = decoded.kind === 'wrong' ? decoded.problems : [];
  const problems = [
    ...resolved.problems,
    ...wrong.filter((problem) => !unresolved.has(problem.path)),
    ...crossChecks(resolved.value),
  ];
  if (decoded.kind === 'wrong' || problems.length > 0) throw problemsFound(source, problems);
  return clusterConfig(decoded.file);
}

/** The region that a command was told to work for. */
export function regionConfig(config: ClusterConfig, name: string): RegionConfig {
  const found = [...config.regions.values()].find((region) => region.region === name);
  if (found !== undefined) return found;
  const names = [...config.regions.keys()];
  throw invalid(
    `There is no region "${name}" in the configuration; it has ${names.join(', ')}.${didYouMean(name, names)}`,
  );
}

/** The NATS url at which `from` reaches `peer`: its own override, else the peer's url. */
export function peerNatsUrl(config: ClusterConfig, from: RegionConfig, peer: RegionId): string {
  return from.peers.get(peer) ?? regionConfig(config, peer).nats;
}

function clusterConfig(file: ConfigFile): ClusterConfig {
  const regions = Object.entries(file.regions).map(([name, region], position): RegionConfig => {
    const peers = Object.entries(region.peers ?? {});
    return {
      region: parseRegionId(name),
      database: region.database,
      nats: region.nats,
      admin: addressOf(region.admin, FIRST_ADMIN_PORT + position),
      gateway: addressOf(region.gateway, FIRST_GATEWAY_PORT + position),
      gatewayDatabase: region.gatewayDatabase ?? region.database,
      peers: new Map(peers.map(([peer, url]) => [parseRegionId(peer), url])),
      sequenceOffset: sequenceOffset(region, position),
    };
  });
  return {
    cluster: file.cluster,
    regions: new Map(regions.map((region) => [region.region, region])),
    tables: { include: file.tables?.include ?? ['*.*'], exclude: file.tables?.exclude ?? [] },
    columns: Object.entries(file.columns ?? {}).map(([name, type]) => {
      const [schema = '', table = '', column = ''] = nameParts(name) ?? [];
      const parsed = parseColumnType(type);
      return { schema, table, column, type: parsed.kind === 'ok' ? parsed.type.text : type };
    }),
    rows: Object.entries(file.rows ?? {}).map(([name, rows]) => {
      const [schema = '', table = ''] = nameParts(name) ?? [];
      return { schema, table, rows };
    }),
    replication: {
      ...defaultsOf(REPLICATION_BOUNDS),
      ...file.replication,
      origin: file.replication?.origin ?? 'auto',
      failoverSlot: file.replication?.failoverSlot ?? false,
    },
    log: {
      ...defaultsOf(LOG_BOUNDS),
      ...file.log,
      syncAlways: file.log?.syncAlways ?? false,
    },
    gateway: gatewayConfig(file.gateway),
  };
}

function addressOf(
  text: string | undefined,
  usualPort: number,
): { readonly host: string; readonly port: number } {
  const [, host = '127.0.0.1', port] = ADMIN_ADDRESS.exec(text ?? '') ?? [];
  return { host, port: port === undefined ? usualPort : Number(port) };
}

function defaultsOf<Name extends string>(
  bounds: Readonly<Record<Name, Bound>>,
): Readonly<Record<Name, number>> {
  const entries = Object.entries<Bound>(bounds).map(([name, bound]) => [name, bound.default]);
  return Object.fromEntries(entries) as Record<Name, number>;
}

function problemsFound(source: string, problems: readonly ConfigProblem[]): EverywriteError {
  const lines = problems.map((problem) => `  ${problem.path} ${problem.message}`);
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return invalid(`${source} has ${count}; correct and try again:\n${lines.join('\n')}`);
}

function invalid(message: string, cause?: unknown): EverywriteError {
  return new EverywriteError({ code: 'CONFIG_INVALID', recovery: 'operator', message, cause });
}
