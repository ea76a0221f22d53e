import { regionProblems, pairProblems } from '#deploy/inspect/problems.ts';
import type { Problem } from '#deploy/inspect/problems.ts';
import type { RegionReport } from '#deploy/inspect/region-report.ts';
import type { OriginStatus, RegionStatus } from '#replicator/engine/region/status.ts';

/** The whole cluster at one moment; `everywrite status --json` prints exactly this. */
export interface ClusterReport {
  readonly cluster: string;
  /** When it was looked at, ISO 8601. */
  readonly at: string;
  readonly verdict: 'ok' | 'attention' | 'unreachable';
  readonly regions: readonly RegionReport[];
  /** One per direction: how `to` stands with what `from` wrote. */
  readonly pairs: readonly PairReport[];
  readonly problems: readonly Problem[];
}

export interface PairReport {
  readonly from: string;
  readonly to: string;
  /** `origin`: straight from there; `relay`: from a third region; null: nobody delivers now. */
  readonly source: 'origin' | 'relay' | null;
  /** The region that delivers. */
  readonly via: string | null;
  /** Number of the last transaction of `from` that `to` has applied. */
  readonly applied: number;
  /** Number of the last one that `from` says it captured; null when it does not answer. */
  readonly captured: number | null;
  /** Transactions that are missing in `to`, those included that have not even arrived. */
  readonly behindTransactions: number;
  readonly lagMs: number;
  readonly lagBytes: number;
  readonly queuedTransactions: number;
  /** Since anything of `from` was read; a healthy pair hears heartbeats. */
  readonly silentMs: number | null;
  readonly clockOffsetMs: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export function clusterReport(
  cluster: string,
  regions: readonly RegionReport[],
  at: Date,
): ClusterReport {
  const statuses = regions.flatMap(({ replicator }) =>
    replicator.kind === 'answers' ? [replicator.status] : [],
  );
  const pairs = statuses.flatMap((to) =>
    Object.entries(to.origins).map(([from, origin]) => pairReport(from, to, origin, statuses)),
  );
  const problems = [...regions.flatMap(regionProblems), ...pairs.flatMap(pairProblems)];
  return {
    cluster,
    at: at.toISOString(),
    verdict: verdictOf(regions, problems),
    regions,
    pairs,
    problems,
  };
}

function pairReport(
  from: string,
  to: RegionStatus,
  origin: OriginStatus,
  statuses: readonly RegionStatus[],
): PairReport {
  const captured = statuses.find((status) => status.region === from)?.captured ?? null;
  const notArrived = captured === null ? 0 : captured - origin.applied;
  const { source, error, applied, lagMs, lagBytes, lagTransactions } = origin;
  const { silentMs, clockOffsetMs } = origin;
  return {
    from,
    to: to.region,
    source: source === null ? null : source === from ? 'origin' : 'relay',
    via: source,
    applied,
    captured,
    behindTransactions: Math.max(0, lagTransactions, notArrived),
    lagMs,
    lagBytes,
    queuedTransactions: origin.inboxItems,
    silentMs,
    clockOffsetMs,
    error,
  };
}

function verdictOf(
  regions: readonly RegionReport[],
  problems: readonly Problem[],
): ClusterReport['verdict'] {
  const silent = regions.every(
    ({ replicator, database }) =>
      replicator.kind === 'unreachable' && database.kind === 'unreachable',
  );
  if (silent) return 'unreachable';
  return problems.length === 0 ? 'ok' : 'attention';
}
