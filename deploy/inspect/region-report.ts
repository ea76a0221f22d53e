import { EverywriteError } from '#core/errors.ts';
import { lookAtDatabase } from '#deploy/inspect/database-look.ts';
import type { DatabaseLook } from '#deploy/inspect/database-look.ts';
import { readStatusPage } from '#deploy/inspect/admin-page.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';
import { serverOf } from '#replicator/config/secrets.ts';
import type { RegionStatus } from '#replicator/engine/region/status.ts';

const PAGE_TIMEOUT_MS = 3_000;

export interface Unreachable {
  readonly kind: 'unreachable';
  readonly error: { readonly code: string; readonly message: string };
}

/** One region seen from outside: by its replicator's word and by its database's. */
export interface RegionReport {
  readonly region: string;
  /** `host:port/database`, without user and password. */
  readonly server: string;
  readonly admin: string;
  readonly replicator: { readonly kind: 'answers'; readonly status: RegionStatus } | Unreachable;
  readonly database: ({ readonly kind: 'answers' } & DatabaseLook) | Unreachable;
}

/** Both looks at once; what cannot be reached is said, never thrown. */
export async function reportRegion(
  config: ClusterConfig,
  region: RegionConfig,
  signal: AbortSignal,
): Promise<RegionReport> {
  const [replicator, database] = await Promise.all([
    orUnreachable(signal, async () => ({
      kind: 'answers' as const,
      status: await readStatusPage(region, PAGE_TIMEOUT_MS, signal),
    })),
    orUnreachable(signal, async () => ({
      kind: 'answers' as const,
      ...(await lookAtDatabase(config, region, signal)),
    })),
  ]);
  return {
    region: region.region,
    server: serverOf(region.database),
    admin: `${region.admin.host}:${region.admin.port}`,
    replicator,
    database,
  };
}

async function orUnreachable<Answer>(
  signal: AbortSignal,
  ask: () => Promise<Answer>,
): Promise<Answer | Unreachable> {
  try {
    return await ask();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EverywriteError)) throw error;
    return { kind: 'unreachable', error: { code: error.code, message: error.message } };
  }
}
