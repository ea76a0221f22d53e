import { setTimeout as sleep } from 'node:timers/promises';
import { compareRecords } from '#deploy/verify/compare-records.ts';
import { compareTable } from '#deploy/verify/compare-table.ts';
import { Quiescence } from '#deploy/verify/quiescence.ts';
import { closeSnapshots, openSnapshots } from '#deploy/verify/region-snapshot.ts';
import { listTables } from '#deploy/verify/table-list.ts';
import type { TableComparison, VerifyReport } from '#deploy/verify/verify-report.ts';
import type { ClusterConfig, RegionConfig } from '#replicator/config.ts';

/** Between two comparisons: what was in flight during the first has arrived by the second. */
const SECOND_LOOK_MS = 1_000;
const ATTEMPTS_MAX = 2;

export interface VerifyOptions {
  readonly regions: readonly RegionConfig[];
  /** `schema.table`, with `*` and `?`. */
  readonly tables: string;
  /** How long to wait for the regions to have applied everything. */
  readonly timeoutMs: number;
  /** Differing rows to show per table. */
  readonly examplesMax: number;
}

/** Compares regions row by row, each in one snapshot. A difference is looked at twice. */
export async function verifyRegions(
  config: ClusterConfig,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const start = performance.now();
  const quiescence = await Quiescence.open(config, options.regions, signal);
  try {
    for (let attempt = 1; ; attempt += 1) {
      // The second wait is short: the first has used up the patience that was asked for.
      const bound =
        attempt === 1 ? options.timeoutMs : Math.min(options.timeoutMs, SECOND_LOOK_MS * 3);
      const settled = await quiescence.settle(bound);
      const before = await quiescence.captured();
      const compared = await compareOnce(config, options, signal);
      const stillWritten = (await quiescence.captured()) > before;
      const different = compared.tables.some(({ verdict }) => verdict === 'different');
      if (different && attempt < ATTEMPTS_MAX) {
        await sleep(SECOND_LOOK_MS, undefined, { signal });
        continue;
      }
      return {
        cluster: config.cluster,
        regions: options.regions.map(({ region }) => region),
        verdict: different ? 'different' : 'equal',
        settled,
        stillWritten,
        attempts: attempt,
        ...compared,
        elapsedMs: Math.round(performance.now() - start),
      };
    }
  } finally {
    await quiescence.close();
  }
}

async function compareOnce(
  config: ClusterConfig,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Pick<VerifyReport, 'tables' | 'conflicts' | 'quarantined'>> {
  const snapshots = await openSnapshots(config, options.regions, signal);
  try {
    const tables: TableComparison[] = [];
    for (const table of await listTables(config, snapshots, options.tables)) {
      signal.throwIfAborted();
      tables.push(await compareTable(table, snapshots, options.examplesMax));
    }
    return { tables, ...(await compareRecords(snapshots)) };
  } finally {
    await closeSnapshots(snapshots);
  }
}
