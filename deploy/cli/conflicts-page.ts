import { textTable } from '#deploy/cli/text-table.ts';
import type { TableColumn } from '#deploy/cli/text-table.ts';
import type { ConflictRecord, ConflictWriter } from '#deploy/records/conflict-record.ts';
import type { Restored } from '#deploy/records/restore-conflict.ts';
import type { PgText } from '#core/relation.ts';

const VALUE_WIDTH = 28;

const COLUMNS: readonly TableColumn[] = [
  { title: 'id', align: 'left' },
  { title: 'when', align: 'left' },
  { title: 'table', align: 'left' },
  { title: 'key', align: 'left' },
  { title: 'column', align: 'left' },
  { title: 'kind', align: 'left' },
  { title: 'kept', align: 'left' },
  { title: 'lost', align: 'left' },
];

export function conflictsPage(records: readonly ConflictRecord[], limit: number): string {
  if (records.length === 0) return 'No conflict is on record that fits.\n';
  const lines = textTable(COLUMNS, records.map(conflictCells));
  const more =
    records.length < limit
      ? []
      : ['', `The newest ${limit}; --limit N shows more, --since AGE less.`];
  const how = '"everywrite conflicts show ID" tells all of one, "restore ID" writes what it lost.';
  return `${[...lines, ...more, '', how].join('\n')}\n`;
}

/** One line of the list; `watch` prints them as they come. */
export function conflictLine(record: ConflictRecord): string {
  return `${conflictCells(record).join('  ')}\n`;
}

function conflictCells(record: ConflictRecord): readonly string[] {
  const { id, table, key, column, kind, winner, loser } = record;
  const later = winner.hlc > loser.hlc ? winner : loser;
  const cells = [id, later.at.slice(0, 19), table, shown(key.join(', '), 24), column, kind];
  return [...cells, side(winner), side(loser)];
}

function side({ region, value }: ConflictWriter): string {
  return `${region} ${shown(quoted(value), VALUE_WIDTH)}`;
}

export function conflictPage(record: ConflictRecord): string {
  const { id, table, key, column, kind, winner, loser, why, recordedAt } = record;
  const what = column === '*' ? 'the row itself (its existence)' : `column ${column}`;
  return `${[
    `Conflict ${id}: ${kind}`,
    `  table   ${table}`,
    `  key     ${key.join(', ')}`,
    `  about   ${what}`,
    '',
    `  kept    ${quoted(winner.value)}`,
    `          written by ${winner.dot} (${winner.region}) at ${winner.at}`,
    `  lost    ${quoted(loser.value)}`,
    `          written by ${loser.dot} (${loser.region}) at ${loser.at}`,
    '',
    `  why     ${why}`,
    ...concurrency(winner, loser),
    `  noted   ${recordedAt} in this region; the verdict is the same in every region`,
    '',
    `"everywrite conflicts restore ${id}" writes the lost value as a new, later write.`,
  ].join('\n')}\n`;
}

function concurrency(winner: ConflictWriter, loser: ConflictWriter): readonly string[] {
  if (winner.saw === null || loser.saw === null) return [];
  return [
    `  real    neither writer had seen the other: ${winner.dot} knew ${replica(loser)} up to ` +
      `${winner.saw}, ${loser.dot} knew ${replica(winner)} up to ${loser.saw}`,
  ];
}

function replica({ dot }: ConflictWriter): string {
  return dot.slice(0, dot.lastIndexOf(':'));
}

export function restoredPage(
  { table, key, outcome, before, after }: Restored,
  region: string,
): string {
  const name = `${table} (${key.join(', ')})`;
  if (outcome === 'already there') return `Nothing to do: ${name} in ${region} holds it already.\n`;
  return `${[
    `Written to ${name} in ${region}, as a new write that is later than both.`,
    ...rowChange(before, after),
    'It travels to the other regions like any other write, and wins there too.',
  ].join('\n')}\n`;
}

type Row = Restored['before'];

function rowChange(before: Row, after: Row): readonly string[] {
  if (before === null) return [`  the row is back: ${JSON.stringify(after)}`];
  if (after === null) return [`  the row is gone; it was ${JSON.stringify(before)}`];
  return Object.entries(after)
    .filter(([name, value]) => before[name] !== value)
    .map(([name, value]) => `  ${name}: ${quoted(before[name] ?? null)} → ${quoted(value)}`);
}

export function quoted(value: PgText): string {
  return value === null ? 'NULL' : JSON.stringify(value);
}

export function shown(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
