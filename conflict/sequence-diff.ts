import type { Splice } from '#core/transaction.ts';

// Past these a stretch is replaced whole: the work grows with the product of size and difference.
const UNITS_MAX = 20_000;
const DIFFERENCES_MAX = 400;

const WORD = /[\p{L}\p{M}\p{N}_]+|\s|[^]/gu;

/** What turned one text into another: in whole words, then without what both ends of a word share. */
export function textSplices(before: string, after: string): readonly Splice[] {
  const [start, end] = commonEnds(before, after);
  const was = before.slice(start, before.length - end);
  const is = after.slice(start, after.length - end);
  if (was === '' && is === '') return [];
  if (was === '' || is === '') return [[start, was.length, is]];
  const [wordsBefore, wordsAfter] = [was.match(WORD) ?? [], is.match(WORD) ?? []];
  const splices: Splice[] = [];
  let position = start;
  let counted = 0;
  for (const [at, deleted, inserted] of sequenceSplices(wordsBefore, wordsAfter)) {
    for (; counted < at; counted++) position += (wordsBefore[counted] ?? '').length;
    const gone = wordsBefore.slice(at, at + deleted).join('');
    const come = typeof inserted === 'string' ? inserted : inserted.join('');
    const [left, right] = commonEnds(gone, come);
    const length = gone.length - left - right;
    splices.push([position + left, length, come.slice(left, come.length - right)]);
    position += gone.length;
    counted += deleted;
  }
  return splices;
}

/** The same for a list of texts. */
export function sequenceSplices(
  before: readonly string[],
  after: readonly string[],
): readonly Splice[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  const was = before.slice(start, before.length - end);
  const is = after.slice(start, after.length - end);
  if (was.length === 0 && is.length === 0) return [];
  const whole: readonly Splice[] = [[start, was.length, is]];
  if (was.length === 0 || is.length === 0 || was.length + is.length > UNITS_MAX) return whole;
  const pairs = commonPairs(was, is);
  if (pairs === null) return whole;
  const splices: Splice[] = [];
  let [x, y] = [0, 0];
  for (const [nextX, nextY] of [...pairs, [was.length, is.length] as const]) {
    if (nextX > x || nextY > y) splices.push([start + x, nextX - x, is.slice(y, nextY)]);
    [x, y] = [nextX + 1, nextY + 1];
  }
  return splices;
}

/**
 * Positions that a shortest edit script keeps (Myers 1986); null when there are too many differences.
 * Deterministic, as capture has to be.
 */
function commonPairs(
  was: readonly string[],
  is: readonly string[],
): readonly (readonly [number, number])[] | null {
  const most = Math.min(was.length + is.length, DIFFERENCES_MAX);
  const furthest = new Map<number, number>([[1, 0]]);
  const trail: ReadonlyMap<number, number>[] = [];
  for (let differences = 0; differences <= most; differences++) {
    trail.push(new Map(furthest));
    for (let diagonal = -differences; diagonal <= differences; diagonal += 2) {
      const down = isDown(furthest, diagonal, differences);
      let x = down ? (furthest.get(diagonal + 1) ?? 0) : (furthest.get(diagonal - 1) ?? 0) + 1;
      while (x < was.length && x - diagonal < is.length && was[x] === is[x - diagonal]) x++;
      furthest.set(diagonal, x);
      if (x >= was.length && x - diagonal >= is.length) return kept(trail, was.length, is.length);
    }
  }
  return null;
}

function isDown(furthest: ReadonlyMap<number, number>, diagonal: number, steps: number): boolean {
  if (diagonal === -steps) return true;
  if (diagonal === steps) return false;
  return (furthest.get(diagonal - 1) ?? 0) < (furthest.get(diagonal + 1) ?? 0);
}

function kept(
  trail: readonly ReadonlyMap<number, number>[],
  width: number,
  height: number,
): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let [x, y] = [width, height];
  for (let steps = trail.length - 1; steps >= 0; steps--) {
    const furthest = trail[steps] ?? new Map<number, number>();
    const diagonal = x - y;
    const from = isDown(furthest, diagonal, steps) ? diagonal + 1 : diagonal - 1;
    const startX = steps === 0 ? 0 : (furthest.get(from) ?? 0);
    const startY = steps === 0 ? 0 : startX - from;
    while (x > startX && y > startY) pairs.push([--x, --y]);
    [x, y] = [startX, startY];
  }
  return pairs.toReversed();
}

/** How much two texts share at their beginning and, apart from that, at their end; in whole characters. */
function commonEnds(left: string, right: string): readonly [number, number] {
  const most = Math.min(left.length, right.length);
  let start = 0;
  while (start < most && left.charCodeAt(start) === right.charCodeAt(start)) start++;
  if (start > 0 && isHigh(left.charCodeAt(start - 1))) start--;
  let end = 0;
  const [a, b] = [left.length - 1, right.length - 1];
  while (end < most - start && left.charCodeAt(a - end) === right.charCodeAt(b - end)) end++;
  if (end > 0 && isLow(left.charCodeAt(left.length - end))) end--;
  return [start, end];
}

// Characters outside the basic plane are two units, which no edit may part.
function isHigh(unit: number): boolean {
  return unit >= 0xd8_00 && unit < 0xdc_00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc_00 && unit < 0xe0_00;
}
