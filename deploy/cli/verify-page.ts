import { formatCount, formatMs } from '#deploy/cli/quantities.ts';
import { textTable } from '#deploy/cli/text-table.ts';
import type {
  ByRegion,
  RowDifference,
  TableComparison,
  VerifyReport,
} from '#deploy/verify/verify-report.ts';
import { counted } from '#replicator/pg/counted.ts';

/** The comparison for people: a line per table, and under it what differs. */
export function verifyPage(report: VerifyReport): string {
  const { regions, tables } = report;
  return [
    `Cluster ${report.cluster}: ${regions.join(', ')}`,
    ...settledLines(report),
    '',
    ...tableLines(regions, tables),
    ...tables.flatMap(differenceLines),
    '',
    ...recordLines(report),
    summary(report),
    '',
  ].join('\n');
}

function settledLines({
  settled,
  stillWritten,
  attempts,
  verdict,
}: VerifyReport): readonly string[] {
  const lines: string[] = [];
  if (settled.kind === 'unprepared') {
    const names = settled.regions.join(', ');
    lines.push(`! not prepared (everywrite init): ${names}; compared without waiting`);
  } else if (settled.kind === 'timeout') {
    const behind = settled.behind.map(
      ({ region, peer, transactions }) =>
        `${region} lacks ${counted(transactions, 'transaction')} of ${peer}`,
    );
    const why = behind.length === 0 ? 'commits kept coming' : behind.join('; ');
    lines.push(`! not at rest after ${formatMs(settled.waitedMs)}: ${why}`);
  }
  if (stillWritten) {
    const then = verdict === 'different' ? '; run it again when nobody writes' : '';
    lines.push(`! regions were still being written to${then}`);
  }
  if (attempts > 1 && verdict === 'different') lines.push('! differed twice, a moment apart');
  return lines;
}

function tableLines(
  regions: readonly string[],
  tables: readonly TableComparison[],
): readonly string[] {
  const columns = [
    { title: 'table', align: 'left' },
    ...regions.map((region) => ({ title: `rows ${region}`, align: 'right' }) as const),
    { title: 'verdict', align: 'left' },
  ] as const;
  const rows = tables.map(({ table, rows: counts, verdict, differing }) => [
    table,
    ...regions.map((region) => (counts[region] === undefined ? '-' : formatCount(counts[region]))),
    verdict === 'equal'
      ? 'equal'
      : `DIFFERENT${differing.count === 0 ? '' : ` (${amount(differing)})`}`,
  ]);
  return textTable(columns, rows);
}

function amount({ count, complete }: TableComparison['differing']): string {
  return `${complete ? '' : 'at least '}${counted(count, 'row')}`;
}

function differenceLines(table: TableComparison): readonly string[] {
  if (table.verdict === 'equal') return [];
  const { differing } = table;
  const hidden = differing.count - differing.examples.length;
  return [
    '',
    `${table.table}:`,
    ...Object.entries(table.absent).map(([region, reason]) => `  ${region}: the table ${reason}`),
    ...Object.entries(table.columns).map(
      ([name, types]) => `  column ${name}: ${sides(types, 'no such column')}`,
    ),
    ...differing.examples.flatMap(rowLines),
    ...(hidden > 0
      ? [`  and ${differing.complete ? '' : 'at least '}${hidden} more (--rows N shows more)`]
      : []),
  ];
}

function rowLines({ key, missingIn, columns }: RowDifference): readonly string[] {
  const name = Object.entries(key).map(([column, value]) => `${column} = ${value ?? 'NULL'}`);
  const missing = missingIn.length === 0 ? '' : `: missing in ${missingIn.join(', ')}`;
  return [
    `  ${name.join(', ')}${missing}`,
    ...Object.entries(columns).map(([column, values]) => `    ${column}: ${sides(values, 'NULL')}`),
  ];
}

function sides(values: ByRegion, none: string): string {
  return Object.entries(values)
    .map(([region, value]) => `${region} ${value === null ? none : JSON.stringify(value)}`)
    .join(', ');
}

function recordLines({ conflicts, quarantined }: VerifyReport): readonly string[] {
  const refused = Object.entries(quarantined).filter(([, count]) => (count ?? 0) > 0);
  const counts = Object.entries(conflicts.counts).map(
    ([region, count]) => `${region} ${count ?? '-'}`,
  );
  const [first = 0] = Object.values(conflicts.counts);
  const same = `Conflicts: ${formatCount(first ?? 0)} recorded, the same verdicts in every region`;
  return [
    ...refused.map(
      ([region, count]) =>
        `! ${region}: the tables refuse ${counted(count ?? 0, 'row')} (everywrite status)`,
    ),
    conflicts.same ? same : `Conflicts: not yet the same records everywhere (${counts.join(', ')})`,
  ];
}

function summary({ verdict, tables, elapsedMs }: VerifyReport): string {
  const different = tables.filter((table) => table.verdict === 'different').length;
  return verdict === 'equal'
    ? `Equal: ${counted(tables.length, 'table')}, compared in ${formatMs(elapsedMs)}.`
    : `DIFFERENT: ${different} of ${counted(tables.length, 'table')}.`;
}
