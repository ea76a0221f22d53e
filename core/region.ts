import { EverywriteError } from '#core/errors.ts';

declare const regionTag: unique symbol;
declare const replicaTag: unique symbol;

/** A site: one PostgreSQL that takes writes, for example `eu`. */
export type RegionId = string & { readonly [regionTag]: true };

/**
 * One incarnation of a region, `eu.1`. A promoted standby that lost its tail, a restored backup and a
 * recreated slot are new incarnations, because a dot must never name two transactions.
 */
export type ReplicaId = string & { readonly [replicaTag]: true };

const REGION = /^[a-z][a-z0-9-]{0,30}$/;

/** Region names become stream names, table values and file names, so they are kept narrow. */
export function parseRegionId(text: string): RegionId {
  if (!REGION.test(text)) {
    throw new EverywriteError({
      code: 'CONFIG_INVALID',
      recovery: 'operator',
      message: `"${text}" is not a region name: use 1 to 31 of a-z, 0-9 and "-", starting with a letter.`,
    });
  }
  return text as RegionId;
}

export function replicaId(region: RegionId, epoch: number): ReplicaId {
  return `${region}.${epoch}` as ReplicaId;
}

export function regionOf(replica: ReplicaId): RegionId {
  return replica.slice(0, replica.lastIndexOf('.')) as RegionId;
}

export function epochOf(replica: ReplicaId): number {
  return Number(replica.slice(replica.lastIndexOf('.') + 1));
}
