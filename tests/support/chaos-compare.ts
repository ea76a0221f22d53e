import { setTimeout as sleep } from 'node:timers/promises';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import type { ChaosReplicator } from './chaos-replicator.ts';

const POLL_MS = 100;
const DIFFERENCES_SHOWN = 8;

/** Everything that must be the same in every region: the published tables and the conflict records. */
const CONFLICTS = `SELECT concat_ws('|', relation, key, column_name, kind, winner_dot, winner_value,
  loser_dot, loser_value) AS line FROM everywrite.conflicts`;

/** Waits until nothing is on its way anywhere, then compares row by row; throws with what differs. */
export async function expectConverged(
  cluster: ChaosCluster,
  timeoutMs = 60_000,
  /** Who works for a region now, where that is not the first of its replicators. */
  deputies: ReadonlyMap<string, ChaosReplicator> = new Map(),
): Promise<{ readonly elapsedMs: number; readonly statuses: readonly RegionStatus[] }> {
  const started = performance.now();
  let difference = 'nothing compared yet';
  while (performance.now() - started < timeoutMs) {
    const statuses = await Promise.all(
      [...cluster.regions.values()].map(({ name, replicator }) =>
        (deputies.get(name) ?? replicator).status(),
      ),
    );
    const settled = statuses.flatMap((status) => (status === null ? [] : [status]));
    const moving = whatMoves(settled, cluster.names);
    difference = moving ?? (await firstDifference(cluster)) ?? '';
    if (difference === '') return { elapsedMs: performance.now() - started, statuses: settled };
    await sleep(POLL_MS);
  }
  throw new Error(`not converged after ${timeoutMs} ms: ${difference}`);
}

/** What is still on its way, in words; null when every region has applied and settled everything. */
function whatMoves(statuses: readonly RegionStatus[], names: readonly string[]): string | null {
  if (statuses.length < names.length) return 'a replicator does not answer';
  const reasons = statuses.flatMap((status) => {
    const reason = whatMovesHere(status, statuses);
    return reason === null ? [] : [`${status.region} ${reason}: ${JSON.stringify(status)}`];
  });
  return reasons.length === 0 ? null : reasons.join('\n  ');
}

function whatMovesHere(status: RegionStatus, all: readonly RegionStatus[]): string | null {
  const { region, phase, dirtyKeys, quarantined, unpublishedBytes } = status;
  if (phase !== 'running') return `is ${phase}`;
  if (dirtyKeys > 0) return `has ${dirtyKeys} dirty keys`;
  if (quarantined > 0) return `has ${quarantined} rows in quarantine`;
  if (unpublishedBytes > 0) return `has ${unpublishedBytes} bytes to publish`;
  for (const { region: origin, replica, captured } of all) {
    const applied = status.applied[replica] ?? 0;
    // The own component moves with the next transaction that is applied, which may never come.
    if (origin !== region && applied < captured) {
      return `has applied ${applied} of ${captured} of ${replica}`;
    }
  }
  return null;
}

async function firstDifference(cluster: ChaosCluster): Promise<string | null> {
  const [reference = '', ...others] = cluster.names;
  const tables = await publishedTables(cluster, reference);
  const sources = [
    ...tables.map((table) => [table, `SELECT t::text AS line FROM ${table} t`] as const),
    ['everywrite.conflicts', CONFLICTS] as const,
    ['everywrite.quarantine', 'SELECT q::text AS line FROM everywrite.quarantine q'] as const,
  ];
  for (const [table, select] of sources) {
    const expected = await rowsOf(cluster, reference, select);
    for (const other of others) {
      const difference = compareRows(expected, await rowsOf(cluster, other, select));
      if (difference !== null) return `${table} of ${reference} and ${other}: ${difference}`;
    }
  }
  return null;
}

export async function publishedTables(
  cluster: ChaosCluster,
  region: string,
): Promise<readonly string[]> {
  const rows = await cluster.query(
    region,
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_publication_tables
     WHERE pubname = 'everywrite' AND schemaname <> 'everywrite' ORDER BY 1`,
  );
  return rows.flatMap(({ name }) => (name === null || name === undefined ? [] : [name]));
}

async function rowsOf(
  cluster: ChaosCluster,
  region: string,
  select: string,
): Promise<readonly string[]> {
  const rows = await cluster.query(region, select);
  return rows.map(({ line }) => line ?? '');
}

function compareRows(expected: readonly string[], actual: readonly string[]): string | null {
  const there = new Map<string, number>();
  for (const row of expected) there.set(row, (there.get(row) ?? 0) + 1);
  for (const row of actual) there.set(row, (there.get(row) ?? 0) - 1);
  const differing = [...there].filter(([, count]) => count !== 0);
  if (differing.length === 0) return null;
  const shown = differing
    .slice(0, DIFFERENCES_SHOWN)
    .map(([row, count]) => `${count > 0 ? 'only in the first' : 'only in the second'}: ${row}`);
  return `${differing.length} rows differ\n  ${shown.join('\n  ')}`;
}
