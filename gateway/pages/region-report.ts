import type { ChangeFeed } from '#gateway/feed/change-feed.ts';
import type { Pool } from '#gateway/pg/pool.ts';
import type { Rows } from '#gateway/pg/sql-text.ts';

export interface ReportSources {
  readonly cluster: string;
  readonly region: string;
  /** Every region, and where its report is. */
  readonly regions: readonly { readonly name: string; readonly status: string }[];
  readonly pool: Pool;
  readonly feed: ChangeFeed;
  readonly peers: readonly { readonly name: string; readonly stalenessMs: () => number | null }[];
  readonly subscriptions: () => number;
  /** The replicator's own status page; null when it cannot be asked. */
  readonly replicator: () => Promise<unknown>;
}

const CONFLICTS = `
  SELECT relation, key, column_name, winner_value, winner_region, loser_value,
         loser_region, to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         winner_dot || ' ' || loser_dot
  FROM everywrite.conflicts ORDER BY recorded_at DESC LIMIT 20`;
const COUNT = 'SELECT count(*)::text FROM everywrite.conflicts';
const QUARANTINE = `
  SELECT relation, key, reason, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  FROM everywrite.quarantine ORDER BY since DESC LIMIT 20`;

/** What the status page shows of one region. */
export async function regionReport(sources: ReportSources): Promise<string> {
  const { cluster, region, regions, feed, peers, pool } = sources;
  const transaction = [CONFLICTS, COUNT, QUARANTINE].map((text) => ({ text, values: [] }));
  const [replicator, records] = await Promise.all([
    sources.replicator(),
    pool.fly({ transaction, afterCommit: [] }),
  ]);
  const [conflicts = [], count = [], quarantine = []] = records.transaction;
  const { error } = feed;
  return JSON.stringify({
    cluster,
    region,
    regions,
    replicator,
    staleness: Object.fromEntries(peers.map(({ name, stalenessMs }) => [name, stalenessMs()])),
    subscriptions: sources.subscriptions(),
    feedError: error === null ? null : { code: error.code, message: error.message },
    conflictCount: Number(count[0]?.[0] ?? 0),
    conflicts: conflictsOf(conflicts),
    quarantine: quarantine.map(([relation, key, reason, since]) => {
      return { relation, key: readable(key), reason, since };
    }),
  });
}

function conflictsOf(rows: Rows) {
  return rows.map((row) => {
    const [relation, key, column, kept, keptRegion, dropped, droppedRegion, at, dots] = row;
    const id = [relation, key, column, dots].join(' ');
    const sides = { kept, keptRegion, dropped, droppedRegion };
    return { id, relation, key: readable(key), column, ...sides, at };
  });
}

function readable(key: string | null | undefined): string {
  return (key ?? '').replaceAll('\u0000', ', ');
}
