import { GATEWAY_BOUNDS } from '#replicator/config/gateway-schema.ts';
import type { ConfigFile } from '#replicator/config/schema.ts';

/** The `gateway` section, every default filled in. */
export type GatewayConfig = { readonly [name in keyof typeof GATEWAY_BOUNDS]: number } & {
  /** Schemas of the database to show. */
  readonly schemas: readonly string[];
  readonly introspection: boolean;
  readonly graphiql: boolean;
  /** `/` shows the regions, conflicts with their values, quarantined rows: to whoever can reach it. */
  readonly statusPage: boolean;
  readonly corsOrigins: readonly string[];
  /** A file `{"<sha256>": "<document>"}`; with it, no other documents are answered. */
  readonly trustedDocuments: string | null;
  readonly auth: GatewayAuthConfig;
};

export interface GatewayAuthConfig {
  readonly jwksUrl: string | null;
  readonly secret: string | null;
  readonly issuer: string | null;
  readonly audience: string | null;
  /** Null: all asymmetric ones. */
  readonly algorithms: readonly string[] | null;
  readonly roleClaim: string;
  readonly roles: readonly string[];
  readonly defaultRole: string | null;
  readonly anonymousRole: string | null;
}

export function gatewayConfig(section: ConfigFile['gateway']): GatewayConfig {
  const { auth, ...rest } = section ?? {};
  const bounds = Object.entries(GATEWAY_BOUNDS).map(([name, bound]) => [name, bound.default]);
  return {
    ...(Object.fromEntries(bounds) as Record<keyof typeof GATEWAY_BOUNDS, number>),
    ...rest,
    schemas: rest.schemas ?? ['public'],
    introspection: rest.introspection ?? false,
    graphiql: rest.graphiql ?? false,
    statusPage: rest.statusPage ?? false,
    corsOrigins: rest.corsOrigins ?? [],
    trustedDocuments: rest.trustedDocuments ?? null,
    auth: {
      jwksUrl: auth?.jwksUrl ?? null,
      secret: auth?.secret ?? null,
      issuer: auth?.issuer ?? null,
      audience: auth?.audience ?? null,
      algorithms: auth?.algorithms ?? null,
      roleClaim: auth?.roleClaim ?? 'role',
      roles: auth?.roles ?? [],
      defaultRole: auth?.defaultRole ?? null,
      anonymousRole: auth?.anonymousRole ?? null,
    },
  };
}
