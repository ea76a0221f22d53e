import { Schema } from 'effect';
import type { Bound } from '#replicator/config/schema.ts';

const MIB = 1024 * 1024;

/** Every queue, size and wait of a gateway. */
export const GATEWAY_BOUNDS = {
  maxConnections: { default: 10, minimum: 1, maximum: 1_000 },
  /** Requests that wait for a connection; more are refused with OVERLOADED. */
  maxWaiting: { default: 1_000, minimum: 1, maximum: 100_000 },
  waitTimeoutMs: { default: 5_000, minimum: 10, maximum: 120_000 },
  statementTimeoutMs: { default: 10_000, minimum: 10, maximum: 600_000 },
  /** How often the catalogue is looked at for DDL. */
  schemaPollMs: { default: 2_000, minimum: 50, maximum: 600_000 },
  maxBodyBytes: { default: MIB, minimum: 1_024, maximum: 64 * MIB },
  maxTokens: { default: 2_000, minimum: 10, maximum: 100_000 },
  maxDepth: { default: 12, minimum: 1, maximum: 100 },
  maxAliases: { default: 30, minimum: 0, maximum: 10_000 },
  maxDirectives: { default: 50, minimum: 0, maximum: 10_000 },
  maxRootFields: { default: 20, minimum: 1, maximum: 1_000 },
  /** What a list has when it is not told how many. */
  defaultRows: { default: 100, minimum: 1, maximum: 100_000 },
  /** The most that one list or one change may have. */
  maxRows: { default: 1_000, minimum: 1, maximum: 100_000 },
  /** Rows that one operation may read, nested lists multiplied. */
  maxCost: { default: 25_000, minimum: 1, maximum: 100_000_000 },
  /** Requests per second, for each address and identity. */
  ratePerSecond: { default: 1_000, minimum: 1, maximum: 1_000_000 },
  rateBurst: { default: 2_000, minimum: 1, maximum: 10_000_000 },
  maxDocuments: { default: 1_000, minimum: 1, maximum: 1_000_000 },
} as const satisfies Readonly<Record<string, Bound>>;

function bounded({ minimum, maximum }: Bound) {
  return Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum, maximum }, { expected: `${minimum} to ${maximum}` }),
    ),
  );
}

const text = Schema.optionalKey(Schema.String);
const texts = Schema.optionalKey(Schema.Array(Schema.String));

export const gatewayAuthSchema = Schema.Struct({
  jwksUrl: text,
  secret: text,
  issuer: text,
  audience: text,
  algorithms: texts,
  roleClaim: text,
  roles: texts,
  defaultRole: text,
  anonymousRole: text,
});

export const gatewaySchema = Schema.Struct({
  schemas: texts,
  introspection: Schema.optionalKey(Schema.Boolean),
  graphiql: Schema.optionalKey(Schema.Boolean),
  statusPage: Schema.optionalKey(Schema.Boolean),
  corsOrigins: texts,
  trustedDocuments: text,
  auth: Schema.optionalKey(gatewayAuthSchema),
  maxConnections: bounded(GATEWAY_BOUNDS.maxConnections),
  maxWaiting: bounded(GATEWAY_BOUNDS.maxWaiting),
  waitTimeoutMs: bounded(GATEWAY_BOUNDS.waitTimeoutMs),
  statementTimeoutMs: bounded(GATEWAY_BOUNDS.statementTimeoutMs),
  schemaPollMs: bounded(GATEWAY_BOUNDS.schemaPollMs),
  maxBodyBytes: bounded(GATEWAY_BOUNDS.maxBodyBytes),
  maxTokens: bounded(GATEWAY_BOUNDS.maxTokens),
  maxDepth: bounded(GATEWAY_BOUNDS.maxDepth),
  maxAliases: bounded(GATEWAY_BOUNDS.maxAliases),
  maxDirectives: bounded(GATEWAY_BOUNDS.maxDirectives),
  maxRootFields: bounded(GATEWAY_BOUNDS.maxRootFields),
  defaultRows: bounded(GATEWAY_BOUNDS.defaultRows),
  maxRows: bounded(GATEWAY_BOUNDS.maxRows),
  maxCost: bounded(GATEWAY_BOUNDS.maxCost),
  ratePerSecond: bounded(GATEWAY_BOUNDS.ratePerSecond),
  rateBurst: bounded(GATEWAY_BOUNDS.rateBurst),
  maxDocuments: bounded(GATEWAY_BOUNDS.maxDocuments),
});
