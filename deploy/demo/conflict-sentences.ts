/** A row of everywrite.conflicts, as far as a person wants to hear of it. */
export interface RecordedConflict {
  readonly relation: string;
  readonly key: string;
  readonly column: string;
  readonly kind: string;
  readonly winnerRegion: string;
  readonly winnerValue: string | null;
  readonly loserRegion: string;
  readonly loserValue: string | null;
}

const VALUE_LENGTH_MAX = 28;

/** One of each kind and column, the newest: a variety says more than many of the same. */
export const EXAMPLES_QUERY = `
  SELECT DISTINCT ON (kind, relation, column_name) relation, key, column_name AS column, kind,
    winner_region AS "winnerRegion", winner_value AS "winnerValue",
    loser_region AS "loserRegion", loser_value AS "loserValue"
  FROM everywrite.conflicts WHERE relation <> 'public.pulse' AND winner_region <> loser_region
  ORDER BY kind, relation, column_name, loser_hlc DESC`;

/** Up to `count`, of different kinds first, then of different columns. */
export function choose(
  conflicts: readonly RecordedConflict[],
  count: number,
): readonly RecordedConflict[] {
  const first = conflicts.filter(
    ({ kind }, at) => conflicts.findIndex((other) => other.kind === kind) === at,
  );
  const rest = conflicts.filter((conflict) => !first.includes(conflict));
  // Prices before everything else: there a reader sees at once why it matters.
  const byPrice = rest.toSorted(
    (left, right) => Number(right.column === 'price') - Number(left.column === 'price'),
  );
  return [...first, ...byPrice].slice(0, count);
}

/** Lines of plain words. */
export function conflictSentences(conflict: RecordedConflict): readonly string[] {
  const { relation, key, column, winnerRegion, loserRegion } = conflict;
  const row = `${relation.replace(/^public\./, '')} ${key}`;
  if (column === '*') {
    const [winner, loser] = [deed(conflict.winnerValue), deed(conflict.loserValue)];
    return [
      `${row}: ${winnerRegion} ${winner} while ${loserRegion} ${loser}.`,
      `${winnerRegion}'s came later and stands; ${loserRegion}'s is kept in the record.`,
    ];
  }
  return [
    `${row}, ${column}: ${winnerRegion} wrote ${value(conflict.winnerValue)}`,
    `while ${loserRegion} wrote ${value(conflict.loserValue)}. ${winnerRegion}'s came later and stands.`,
  ];
}

/** What a side did to the row as a whole, from its JSON. */
function deed(text: string | null): string {
  const operation: unknown = text === null ? null : JSON.parse(text);
  if (typeof operation !== 'object' || operation === null) return 'changed it';
  if ('delete' in operation) return 'deleted it';
  if ('truncate' in operation) return 'emptied the table';
  if ('insert' in operation) return 'inserted it';
  if ('update' in operation && typeof operation.update === 'object') {
    return `changed its ${Object.keys(operation.update ?? {}).join(' and ')}`;
  }
  return 'changed it';
}

function value(text: string | null): string {
  if (text === null) return 'NULL';
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
