import { EverywriteError } from '#core/errors.ts';
import type { RegionId } from '#core/region.ts';

const CLUSTER = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Refused rather than rewritten: two clusters whose names become one after a rewrite would share a
 * stream. No region name holds `_`, so the last one in a stream name always ends the cluster's.
 */
export function checkClusterName(cluster: string): void {
  if (CLUSTER.test(cluster)) return;
  throw new EverywriteError({
    code: 'CONFIG_INVALID',
    recovery: 'operator',
    message: `"${cluster}" is not a cluster name: use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".`,
  });
}

/** `EVERYWRITE_shop_EU`: one stream per origin, of the same name in every region's JetStream. */
export function streamName(cluster: string, origin: RegionId): string {
  return `EVERYWRITE_${cluster}_${origin.toUpperCase()}`;
}

/** The only subject of that stream, so that a server can permit an origin to its own replicator alone. */
export function logSubject(cluster: string, origin: RegionId): string {
  return `everywrite.${cluster}.log.${origin}`;
}

/** Answers to this region's replicator; an identity that may subscribe only here reads nobody else's. */
export function inboxPrefix(region: RegionId): string {
  return `_INBOX.${region}`;
}
