import { formatBytes, formatCount, formatMs } from '#deploy/cli/quantities.ts';
import { textTable } from '#deploy/cli/text-table.ts';
import type { TableColumn } from '#deploy/cli/text-table.ts';
import type { ClusterReport, PairReport } from '#deploy/inspect/cluster-report.ts';
import type { Problem } from '#deploy/inspect/problems.ts';
import type { RegionReport } from '#deploy/inspect/region-report.ts';
import { counted } from '#replicator/pg/counted.ts';

const NONE = '-';

/** The report for people: regions, pairs, and a line for each problem with what to do. */
export function statusPage(report: ClusterReport): string {
  return [
    `Cluster ${report.cluster}, ${report.at}`,
    '',
    ...textTable(REGION_COLUMNS, report.regions.map(regionRow)),
    '',
    ...(report.pairs.length > 0 ? [...textTable(PAIR_COLUMNS, report.pairs.map(pairRow)), ''] : []),
    ...appliedLines(report),
    ...report.problems.flatMap(problemLines),
    summary(report),
    '',
  ].join('\n');
}

function columns(...titles: readonly string[]): readonly TableColumn[] {
  return titles.map((title) => {
    return title.startsWith('<')
      ? { title: title.slice(1), align: 'left' }
      : { title, align: 'right' };
  });
}

const REGION_COLUMNS = columns(
  '<region',
  '<replicator',
  '<slot',
  'WAL kept',
  'allowed',
  'unsent',
  'index keys',
  'dirty',
  'quarantine',
  'conflicts',
);

function regionRow({ region, replicator, database }: RegionReport): readonly string[] {
  const status = replicator.kind === 'answers' ? replicator.status : null;
  const look = database.kind === 'answers' ? database : null;
  const slot = look?.slot ?? null;
  const allowed = slot?.safeWalBytes ?? null;
  const noDatabase = database.kind === 'unreachable' ? 'unreachable' : 'missing';
  return [
    region,
    status?.phase ?? 'unreachable',
    slot?.walStatus ?? noDatabase,
    bytes(slot?.retainedBytes),
    slot === null ? NONE : allowed === null ? 'no limit' : bytes(allowed),
    bytes(status?.unpublishedBytes),
    count(status?.indexKeys),
    count(status?.dirtyKeys),
    count(look?.quarantined ?? status?.quarantined),
    count(look?.conflicts),
  ];
}

const PAIR_COLUMNS = columns(
  '<from',
  '<to',
  '<source',
  'applied',
  'behind',
  'lag',
  'bytes',
  'queued',
  'silent',
  'clock offset',
  '<state',
);

function pairRow(pair: PairReport): readonly string[] {
  return [
    pair.from,
    pair.to,
    pair.source === 'relay' ? `via ${pair.via ?? ''}` : (pair.source ?? 'nobody'),
    count(pair.applied),
    count(pair.behindTransactions),
    formatMs(pair.lagMs),
    formatBytes(pair.lagBytes),
    count(pair.queuedTransactions),
    pair.silentMs === null ? NONE : formatMs(pair.silentMs),
    pair.clockOffsetMs === null ? NONE : `${pair.clockOffsetMs} ms`,
    pair.error?.code ?? (pair.source === null ? 'no source' : 'ok'),
  ];
}

function appliedLines({ regions }: ClusterReport): readonly string[] {
  const lines = regions.flatMap(({ region, database }) => {
    if (database.kind === 'unreachable' || !database.prepared) return [];
    const { appliedVector } = database;
    return [
      `  ${region} holds ${appliedVector === '' ? 'nothing yet' : appliedVector.replaceAll(',', '  ')}`,
    ];
  });
  return lines.length === 0 ? [] : [...lines, ''];
}

function problemLines({ region, peer, code, message, fix }: Problem): readonly string[] {
  const where = peer === null ? region : `${region} from ${peer}`;
  return [`! ${where}: ${message} (${code})`, `  do: ${fix}`];
}

function summary({ verdict, regions, problems }: ClusterReport): string {
  if (verdict === 'ok')
    return `All ${counted(regions.length, 'region')} running, nothing quarantined.`;
  if (verdict === 'unreachable') return 'No replicator and no database can be reached.';
  return `${counted(problems.length, 'problem')}.`;
}

function bytes(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : formatBytes(value);
}

function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : formatCount(value);
}
