import type { RegionId } from '#core/region.ts';
import { judge, unknown } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import {
  apart,
  assignmentsOf,
  isYes,
  laterStamp,
  sameTransaction,
  saw,
  wipes,
} from '#sim/check/specification.ts';
import type { SeenOp, SpecHeader } from '#sim/check/specification.ts';
import type { Truth } from '#sim/check/truth.ts';
import { dotName } from '#sim/check/truth.ts';

/** Rows with more writes than this are left out, and the verdict says how many. */
const WRITES_MAX = 1_500;

interface Pair {
  readonly column: string;
  readonly what: string;
  readonly winner: string;
  readonly loser: string;
}

/**
 * A16. The records of every region are exactly the open conflicts: pairs of concurrent writes that
 * contradict, unless a write that saw the one is itself concurrent with the other and carries it on.
 */
export function conflictsRecorded(truth: Truth): Verdict {
  const expected = new Map<string, string>();
  let left = 0;
  for (const table of truth.frame.tables) {
    for (const key of truth.keysOf(table.name)) {
      const ops = truth.opsOn(table.name, key);
      if (ops.length > WRITES_MAX) {
        left += 1;
        continue;
      }
      const columns = table.columns.map(({ name }) => name);
      for (const pair of openConflicts(ops, columns))
        expected.set(recordName(table.name, key, pair), pair.what);
    }
  }
  const witnesses = truth.surviving().flatMap((region) => differences(truth, region, expected));
  if (left > 0 && witnesses.length === 0)
    return unknown(`${left} rows with more than ${WRITES_MAX} writes not judged`);
  return judge(expected.size, 'conflicts', witnesses);
}

/** How many conflicts the run had by definition, and how many of them each region recorded. */
export function conflictCoverage(truth: Truth): {
  readonly open: number;
  readonly recorded: number;
} {
  const expected = new Set<string>();
  for (const table of truth.frame.tables) {
    for (const key of truth.keysOf(table.name)) {
      const ops = truth.opsOn(table.name, key);
      if (ops.length > WRITES_MAX) continue;
      const columns = table.columns.map(({ name }) => name);
      for (const pair of openConflicts(ops, columns))
        expected.add(recordName(table.name, key, pair));
    }
  }
  const least = truth.surviving().map((region) => {
    const found = recordsOf(truth, region);
    return [...expected].filter((name) => found.has(name)).length;
  });
  return { open: expected.size, recorded: Math.min(expected.size, ...least) };
}

function differences(
  truth: Truth,
  region: RegionId,
  expected: ReadonlyMap<string, string>,
): readonly Witness[] {
  const found = recordsOf(truth, region);
  const witness = (name: string, wrong: string): Witness => ({
    atUs: found.get(name) ?? truth.frame.endUs,
    signature: wrong,
    text: `${region}: ${wrong}: ${name.replaceAll('\u0001', ' ')}`,
    about: [region, ...name.split('\u0001')],
  });
  return [
    ...[...expected.keys()]
      .filter((name) => !found.has(name))
      .map((name) => witness(name, 'a conflict is not recorded')),
    ...[...found.keys()]
      .filter((name) => !expected.has(name))
      .map((name) => witness(name, 'a conflict is recorded that was none')),
  ];
}

/** The records that stand in a region's table at the end, and when each was written. */
function recordsOf(truth: Truth, region: RegionId): ReadonlyMap<string, number> {
  const standing = new Map<string, number>();
  for (const { commit, lostUs } of truth.commits.get(region) ?? []) {
    if (lostUs !== null) continue;
    for (const { kind, relation, key, ...pair } of commit.conflicts) {
      const name = recordName(relation, key, pair);
      if (kind === 'add') standing.set(name, commit.atUs);
      else standing.delete(name);
    }
  }
  return standing;
}

// A record's identity is the pair and the column; the same pair taken back has no kind.
function recordName(
  table: string,
  key: string,
  { column, winner, loser }: Pick<Pair, 'column' | 'winner' | 'loser'>,
): string {
  return [table, key, column, winner, loser].join('\u0001');
}

function openConflicts(ops: readonly SeenOp[], columns: readonly string[]): readonly Pair[] {
  const byColumn = columns.flatMap((column) => {
    const writes = assignmentsOf(ops, column);
    return openPairs(writes, (l, r) => {
      if (l.value === r.value) return null;
      return pair(column, l.fromInsert && r.fromInsert ? 'insert-insert' : 'update-update', l, r);
    });
  });
  const words = lastWords(ops);
  const existence = openPairs(words, (l, r) => {
    if (isYes(l) === isYes(r)) return null;
    const [truncate, other] = l.op.kind === 'truncate' ? [l, r] : [r, l];
    if (truncate.op.kind !== 'truncate') return pair('*', 'update-delete', l, r);
    if (!wipes(ops, other, truncate)) return null;
    return {
      column: '*',
      what: 'truncate',
      winner: dotName(truncate.by.replica, truncate.by.sequence),
      loser: dotName(other.by.replica, other.by.sequence),
    };
  });
  return [...byColumn, ...existence];
}

function pair(
  column: string,
  what: string,
  left: { readonly by: SpecHeader },
  right: { readonly by: SpecHeader },
): Pair {
  const [winner, loser] = laterStamp(left.by, right.by) ? [left, right] : [right, left];
  const dot = ({ by }: { readonly by: SpecHeader }): string => dotName(by.replica, by.sequence);
  return { column, what, winner: dot(winner), loser: dot(loser) };
}

/** Per transaction its last operation on the row. */
function lastWords(ops: readonly SeenOp[]): readonly SeenOp[] {
  const last = new Map<string, SeenOp>();
  for (const op of ops) {
    const name = dotName(op.by.replica, op.by.sequence);
    const known = last.get(name);
    if (known === undefined || (sameTransaction(op, known) && op.at > known.at)) last.set(name, op);
  }
  return [...last.values()];
}

function openPairs<Write extends { readonly by: SpecHeader }>(
  writes: readonly Write[],
  contradict: (left: Write, right: Write) => Pair | null,
): readonly Pair[] {
  const pairs: Pair[] = [];
  for (const [at, x] of writes.entries()) {
    for (const y of writes.slice(at + 1)) {
      if (!apart(x.by, y.by)) continue;
      const found = contradict(x, y);
      if (found !== null && !carriedOn(writes, x, y)) pairs.push(found);
    }
  }
  return pairs;
}

function carriedOn<Write extends { readonly by: SpecHeader }>(
  writes: readonly Write[],
  x: Write,
  y: Write,
): boolean {
  return writes.some(
    (z) =>
      (z !== x && saw(z.by, x.by) && apart(z.by, y.by)) ||
      (z !== y && saw(z.by, y.by) && apart(z.by, x.by)),
  );
}
