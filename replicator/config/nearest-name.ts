import { byCodeUnit } from '#core/version-vector.ts';

/** The candidate a person most likely meant by `typed`, or null when none is close enough to say so. */
export function nearestName(typed: string, candidates: readonly string[]): string | null {
  const wanted = typed.toLowerCase();
  // A third of the letters wrong is still a typing mistake; more is another word.
  const bound = Math.max(1, Math.floor(wanted.length / 3));
  let best: string | null = null;
  let bestDistance = bound + 1;
  for (const candidate of candidates.toSorted(byCodeUnit)) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(typed: string, candidates: readonly string[]): string {
  const nearest = nearestName(typed, candidates);
  return nearest === null ? '' : ` Did you mean "${nearest}"?`;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
export function editDistance(left: string, right: string): number {
  let before: readonly number[] = [];
  let previous: readonly number[] = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      const swapped =
        row > 1 &&
        column > 1 &&
        left[row - 1] === right[column - 2] &&
        left[row - 2] === right[column - 1];
      current[column] = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
        swapped ? at(before, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, previous] = [previous, current];
  }
  return at(previous, right.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
