import { quoted, shown } from '#deploy/cli/conflicts-page.ts';
import { textTable } from '#deploy/cli/text-table.ts';
import type { TableColumn } from '#deploy/cli/text-table.ts';
import type { PgText } from '#core/relation.ts';
import type { DiscardRecord, QuarantineRecord } from '#deploy/records/quarantine-record.ts';

const COLUMNS: readonly TableColumn[] = [
  { title: 'region', align: 'left' },
  { title: 'table', align: 'left' },
  { title: 'key', align: 'left' },
  { title: 'since', align: 'left' },
  { title: 'tries', align: 'right' },
  { title: 'state', align: 'left' },
  { title: 'reason', align: 'left' },
];

export function quarantinePage(records: readonly QuarantineRecord[]): string {
  if (records.length === 0) return 'No table refuses a row.\n';
  const rows = records.map(({ region, table, key, since, attempts, sqlState, reason }) => [
    region,
    table,
    shown(key.join(', '), 24),
    since.slice(0, 19),
    String(attempts),
    sqlState,
    shown(reason, 80),
  ]);
  return `${textTable(COLUMNS, rows).join('\n')}\n`;
}

type Row = Readonly<Record<string, PgText>> | null;

export function quarantinedRowPage(record: QuarantineRecord, stored: Row): string {
  const { region, table, key, sqlState, reason, advice, wanted, since, attempts } = record;
  return `${[
    `${table} (${key.join(', ')}) in ${region}`,
    `  refused  ${reason} (${sqlState})`,
    `  since    ${since}, tried ${attempts} time(s)`,
    `  do       ${advice}`,
    '',
    ...rowLines(wanted, stored),
  ].join('\n')}\n`;
}

function rowLines(wanted: Row, stored: Row): readonly string[] {
  if (wanted === null) return [`  wanted   no row`, `  here     ${JSON.stringify(stored)}`];
  const rows = Object.entries(wanted).map(([name, value]) => {
    const here = stored === null ? '(no row)' : quoted(stored[name] ?? null);
    return [name, quoted(value), stored?.[name] === value ? 'the same' : here];
  });
  const columns = [
    { title: 'column', align: 'left' },
    { title: 'wanted', align: 'left' },
    { title: `here`, align: 'left' },
  ] as const;
  return textTable(columns, rows);
}

export function discardedPage(records: readonly DiscardRecord[]): string {
  if (records.length === 0) return 'No row was given up.\n';
  const lines = records.flatMap((record) => [
    `${record.discardedAt.slice(0, 19)}  ${record.region}  ${record.table} (${record.key.join(', ')})`,
    `  given up by ${record.discardedBy}: ${record.reason}`,
    `  refused: ${record.refusedBecause} (${record.sqlState})`,
    `  wanted:  ${record.wanted === null ? 'no row' : JSON.stringify(record.wanted)}`,
    `  kept:    ${record.kept === null ? 'no row' : JSON.stringify(record.kept)}`,
  ]);
  return `${lines.join('\n')}\n`;
}
