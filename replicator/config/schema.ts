import { Schema } from 'effect';
import { gatewayAuthSchema, gatewaySchema } from '#replicator/config/gateway-schema.ts';
import { ROW_POLICIES } from '#core/relation.ts';
import { nameParts } from '#replicator/config/object-name.ts';

/** What one number in the file may be. Every queue, batch and wait of Everywrite has a row here. */
export interface Bound {
  readonly default: number;
  readonly minimum: number;
  readonly maximum: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export const REPLICATION_BOUNDS = {
  /** How often an idle region tells its peers what it has seen. */
  heartbeatIntervalMs: { default: 500, minimum: 10, maximum: 60_000 },
  /** Below PostgreSQL's deadlock_timeout (1 s by default), so that apply gives way, never the application. */
  lockTimeoutMs: { default: 40, minimum: 1, maximum: 900 },
  /** How long apply may hold row locks while capture catches up; then it lets go and tries again. */
  fenceTimeoutMs: { default: 500, minimum: 10, maximum: 60_000 },
  maxBatchRows: { default: 2_000, minimum: 1, maximum: 100_000 },
  maxInboxBytes: { default: 16 * MIB, minimum: MIB, maximum: 4 * GIB },
  maxUnpublishedBytes: { default: 16 * MIB, minimum: MIB, maximum: 4 * GIB },
  /** Keys of the unstable index in memory; the rest spills to a table. */
  indexMaxKeys: { default: 100_000, minimum: 1_000, maximum: 50_000_000 },
  /** How long a conflict is kept on record, and how many are at most; the oldest go first. */
  conflictRetentionHours: { default: 720, minimum: 1, maximum: 87_600 },
  conflictMaxRows: { default: 1_000_000, minimum: 1_000, maximum: 100_000_000 },
  connectTimeoutMs: { default: 5_000, minimum: 100, maximum: 120_000 },
  /** Sequences count in steps of this; each region has one residue. The most regions there can ever be. */
  sequenceStride: { default: 16, minimum: 1, maximum: 1_024 },
} as const satisfies Readonly<Record<string, Bound>>;

export const LOG_BOUNDS = {
  replicas: { default: 1, minimum: 1, maximum: 5 },
  /** How long JetStream may keep an acknowledged message in memory only (its sync_interval). */
  syncIntervalMs: { default: 120_000, minimum: 0, maximum: 600_000 },
  maxBytes: { default: 10 * GIB, minimum: 16 * MIB, maximum: 16_384 * GIB },
} as const satisfies Readonly<Record<string, Bound>>;

const ORIGIN_MODES = ['auto', 'marker'] as const;

function bounded(bound: Bound) {
  const { minimum, maximum } = bound;
  return Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum, maximum }, { expected: `${minimum} to ${maximum}` }),
    ),
  );
}

function checked(expected: string, holds: (value: string) => boolean) {
  return Schema.String.check(Schema.makeFilter(holds, { expected }));
}

const databaseUrl = checked('a url such as postgres://user:password@host:5432/database', (value) =>
  hasProtocol(value, ['postgres:', 'postgresql:']),
);
const natsUrl = checked('a url such as nats://host:4222, or several with commas between', (value) =>
  value.split(',').every((url) => hasProtocol(url.trim(), ['nats:', 'tls:', 'ws:', 'wss:'])),
);
const adminAddress = checked('host:port, such as 127.0.0.1:7101', (value) => {
  const match = ADMIN_ADDRESS.exec(value);
  return match !== null && Number(match[2]) <= 65_535;
});
const tablePattern = checked('a pattern such as public.* or shop.orders', (value) => {
  return nameParts(value)?.length === 2;
});

/** Host (IPv6 in brackets) and port. */
export const ADMIN_ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[^\s:[\]]+):(\d{1,5})$/;

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, searchParams } = new URL(value);
  // PostgreSQL's socket directories travel as ?host=/run/postgresql.
  return protocols.includes(protocol) && (hostname !== '' || searchParams.has('host'));
}

const regionSchema = Schema.Struct({
  database: databaseUrl,
  nats: natsUrl,
  admin: Schema.optionalKey(adminAddress),
  gateway: Schema.optionalKey(adminAddress),
  gatewayDatabase: Schema.optionalKey(databaseUrl),
  peers: Schema.optionalKey(Schema.Record(Schema.String, natsUrl)),
  sequenceOffset: Schema.optionalKey(Schema.Int),
});

const tablesSchema = Schema.Struct({
  include: Schema.optionalKey(Schema.Array(tablePattern)),
  exclude: Schema.optionalKey(Schema.Array(tablePattern)),
});

const replicationSchema = Schema.Struct({
  heartbeatIntervalMs: bounded(REPLICATION_BOUNDS.heartbeatIntervalMs),
  lockTimeoutMs: bounded(REPLICATION_BOUNDS.lockTimeoutMs),
  fenceTimeoutMs: bounded(REPLICATION_BOUNDS.fenceTimeoutMs),
  maxBatchRows: bounded(REPLICATION_BOUNDS.maxBatchRows),
  maxInboxBytes: bounded(REPLICATION_BOUNDS.maxInboxBytes),
  maxUnpublishedBytes: bounded(REPLICATION_BOUNDS.maxUnpublishedBytes),
  indexMaxKeys: bounded(REPLICATION_BOUNDS.indexMaxKeys),
  conflictRetentionHours: bounded(REPLICATION_BOUNDS.conflictRetentionHours),
  conflictMaxRows: bounded(REPLICATION_BOUNDS.conflictMaxRows),
  connectTimeoutMs: bounded(REPLICATION_BOUNDS.connectTimeoutMs),
  sequenceStride: bounded(REPLICATION_BOUNDS.sequenceStride),
  origin: Schema.optionalKey(Schema.Literals(ORIGIN_MODES)),
  failoverSlot: Schema.optionalKey(Schema.Boolean),
});

const logSchema = Schema.Struct({
  replicas: bounded(LOG_BOUNDS.replicas),
  syncAlways: Schema.optionalKey(Schema.Boolean),
  syncIntervalMs: bounded(LOG_BOUNDS.syncIntervalMs),
  maxBytes: bounded(LOG_BOUNDS.maxBytes),
});

/** The configuration file as it is written; `config.ts` turns it into what the program uses. */
export const configFileSchema = Schema.Struct({
  cluster: Schema.String.check(
    Schema.isPattern(/^[a-z0-9][a-z0-9-]{0,39}$/, {
      expected: '1 to 40 of a-z, 0-9 and "-", not starting with "-"',
    }),
  ),
  regions: Schema.Record(Schema.String, regionSchema),
  tables: Schema.optionalKey(tablesSchema),
  columns: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  rows: Schema.optionalKey(Schema.Record(Schema.String, Schema.Literals(ROW_POLICIES))),
  replication: Schema.optionalKey(replicationSchema),
  log: Schema.optionalKey(logSchema),
  gateway: Schema.optionalKey(gatewaySchema),
});

export type ConfigFile = typeof configFileSchema.Type;

/** The keys of each part, by path shape (`*` is any name): what a misspelt key is compared with. */
export const KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(configFileSchema.fields),
  'regions.*': Object.keys(regionSchema.fields),
  tables: Object.keys(tablesSchema.fields),
  replication: Object.keys(replicationSchema.fields),
  log: Object.keys(logSchema.fields),
  gateway: Object.keys(gatewaySchema.fields),
  'gateway.auth': Object.keys(gatewayAuthSchema.fields),
};
