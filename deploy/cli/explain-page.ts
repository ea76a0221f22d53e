import { quoted, shown } from '#deploy/cli/conflicts-page.ts';
import type { ConflictRecord } from '#deploy/records/conflict-record.ts';
import type { ColumnExplanation, Contribution } from '#deploy/records/explanation.ts';
import type { QuarantineRecord } from '#deploy/records/quarantine-record.ts';

/** Everything that one region knows about one row. */
export interface RowExplanation {
  readonly region: string;
  readonly table: string;
  readonly key: Readonly<Record<string, string>>;
  readonly exists: boolean;
  /** The row itself first (column `*`), then its columns in table order. */
  readonly columns: readonly ColumnExplanation[];
  readonly conflicts: readonly ConflictRecord[];
  readonly quarantine: QuarantineRecord | null;
  /** In this region's log, and not in its tables yet. */
  readonly waiting: number;
  /** Per region, since when its log goes back; null: it is empty. */
  readonly logs: Readonly<
    Record<string, { readonly since: string | null; readonly whole: boolean }>
  >;
}

const WIDTH = 60;

export function explainPage(row: RowExplanation): string {
  const key = Object.entries(row.key).map(([name, value]) => `${name} = ${value}`);
  const lines = [
    `${row.table} (${key.join(', ')}) as ${row.region} has it: ${row.exists ? 'exists' : 'no row'}`,
    '',
    ...row.columns.flatMap(columnLines),
    '',
    ...conflictLines(row.conflicts),
    ...quarantineLines(row.quarantine),
    ...(row.waiting > 0
      ? [`! ${row.waiting} change(s) of it are in the log and not applied yet`]
      : []),
    ...Object.entries(row.logs).map(([region, { since, whole }]) => {
      const back = since === null ? 'is empty here' : `goes back to ${since}`;
      return `The log of ${region} ${back}${whole ? '' : ' (as far as was read)'}.`;
    }),
  ];
  return `${lines.join('\n')}\n`;
}

function columnLines(explained: ColumnExplanation): readonly string[] {
  const { column, type, stored, winner, beat, added, replaced } = explained;
  const typed = type === 'lww' || column === '*' ? '' : ` (${type})`;
  const title = column === '*' ? 'the row' : `${column} = ${shown(quoted(stored), WIDTH)}${typed}`;
  const lines = [title];
  if (winner === null && added.length === 0) {
    lines.push('    older than the log: every region has had it for a while');
    return lines;
  }
  if (winner === null) lines.push('    its base is older than the log');
  else lines.push(`    ${sentence(winner, column)}`);
  lines.push(
    ...beat.map((lost) => `    beat ${sentence(lost, column)}: neither had seen the other`),
  );
  lines.push(...added.map((more) => `    plus ${sentence(more, column)}`));
  if (replaced !== null) lines.push(`    before that ${sentence(replaced, column)}`);
  return lines;
}

function sentence({ wrote, operation, dot, region, at }: Contribution, column: string): string {
  const what = column === '*' ? operation : `${operation} ${shown(quoted(wrote), WIDTH)}`;
  return `${what} by ${dot} (${region}) at ${at}`;
}

function conflictLines(records: readonly ConflictRecord[]): readonly string[] {
  if (records.length === 0) return ['No conflict about it is on record.'];
  return [
    `Conflicts on record (everywrite conflicts show ID):`,
    ...records.map(
      ({ id, column, kind, winner, loser }) =>
        `  ${id}  ${column}  ${kind}: kept ${shown(quoted(winner.value), 30)} of ${winner.region}, ` +
        `lost ${shown(quoted(loser.value), 30)} of ${loser.region}`,
    ),
  ];
}

function quarantineLines(record: QuarantineRecord | null): readonly string[] {
  if (record === null) return [];
  const { region, reason, sqlState } = record;
  return [`! the table of ${region} refuses the row as it should be: ${reason} (${sqlState})`];
}
