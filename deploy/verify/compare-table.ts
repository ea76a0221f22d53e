import { must } from '#core/assert.ts';
import {
  BUCKET_DIGITS,
  bucketDigestQuery,
  rowHashQuery,
  tableDigestQuery,
} from '#deploy/verify/digest-query.ts';
import type { RegionSnapshot } from '#deploy/verify/region-snapshot.ts';
import { describeRows } from '#deploy/verify/row-differences.ts';
import type { ComparedTable } from '#deploy/verify/table-list.ts';
import type { DifferingRows, TableComparison } from '#deploy/verify/verify-report.ts';

/** Row hashes that are held in memory at once, per region. */
const ROWS_MAX = 20_000;

interface Digest {
  readonly rows: number;
  readonly digest: string;
}

type Buckets = ReadonlyMap<string, Digest>;

/**
 * Compares one table: one digest per region and, where those differ, digests of ever smaller buckets of
 * keys until the rows in them fit into memory. However large the table, we hold 4096 buckets or 20,000
 * row hashes.
 */
export async function compareTable(
  table: ComparedTable,
  snapshots: readonly RegionSnapshot[],
  examplesMax: number,
): Promise<TableComparison> {
  const having = snapshots.filter(({ region }) => table.present.includes(region));
  const digests = await each(having, async ({ client }) => {
    const [digest] = await client.select<Digest>(tableDigestQuery(table));
    return must(digest, 'table digest');
  });
  const same = new Set(digests.map(({ of }) => of.digest)).size <= 1;
  const differing = same ? NONE : await findRows(table, having, examplesMax);
  const schemaSame =
    Object.keys(table.absent).length === 0 && Object.keys(table.unequalColumns).length === 0;
  return {
    table: table.id,
    verdict: same && schemaSame ? 'equal' : 'different',
    rows: Object.fromEntries(digests.map(({ region, of }) => [region, of.rows])),
    digests: Object.fromEntries(digests.map(({ region, of }) => [region, of.digest])),
    absent: table.absent,
    columns: table.unequalColumns,
    differing,
  };
}

const NONE: DifferingRows = { count: 0, complete: true, examples: [] };

async function findRows(
  table: ComparedTable,
  snapshots: readonly RegionSnapshot[],
  examplesMax: number,
): Promise<DifferingRows> {
  // Without a key that all regions agree on, nothing says which rows belong together.
  if (table.key.length === 0) return { count: 0, complete: false, examples: [] };
  let prefixes: readonly string[] = [''];
  let complete = true;
  for (let digits = BUCKET_DIGITS; ; digits += BUCKET_DIGITS) {
    const query = bucketDigestQuery(table, digits);
    const answers = await each(snapshots, async ({ client }): Promise<Buckets> => {
      const rows = await client.select<Digest & { readonly bucket: string }>(query, [prefixes]);
      return new Map(rows.map((row) => [row.bucket, row]));
    });
    const buckets = answers.map(({ of }) => of);
    const differing = differingBuckets(buckets);
    const chosen = whatFits(differing, buckets);
    if (chosen.length > 0 || differing.length === 0) {
      complete &&= chosen.length === differing.length;
      const hashes = await each(snapshots, async ({ client }) => {
        const rows = await client.select<KeyHash>(rowHashQuery(table, digits), [chosen]);
        return new Map(rows.map(({ key, hash }) => [key, hash]));
      });
      const keys = differingKeys(hashes.map(({ of }) => of));
      const examples = await describeRows(table, snapshots, keys.slice(0, examplesMax));
      return { count: keys.length, complete, examples };
    }
    // Even one bucket is too much: look at a part of the first.
    complete &&= differing.length === 1;
    prefixes = differing.slice(0, 1);
  }
}

interface KeyHash {
  readonly key: string;
  readonly hash: string;
}

function differingBuckets(buckets: readonly Buckets[]): readonly string[] {
  const names = new Set(buckets.flatMap((of) => [...of.keys()]));
  return [...names]
    .filter((name) => new Set(buckets.map((of) => of.get(name)?.digest)).size > 1)
    .toSorted();
}

/** As many of the buckets, from the first, as have their rows fit into memory. */
function whatFits(names: readonly string[], buckets: readonly Buckets[]): readonly string[] {
  const totals = buckets.map(() => 0);
  const chosen: string[] = [];
  for (const name of names) {
    for (const [at, of] of buckets.entries())
      totals[at] = (totals[at] ?? 0) + (of.get(name)?.rows ?? 0);
    if (Math.max(...totals) > ROWS_MAX) break;
    chosen.push(name);
  }
  return chosen;
}

function differingKeys(hashes: readonly ReadonlyMap<string, string>[]): readonly string[] {
  const keys = new Set(hashes.flatMap((of) => [...of.keys()]));
  return [...keys].filter((key) => new Set(hashes.map((of) => of.get(key))).size > 1).toSorted();
}

async function each<Answer>(
  snapshots: readonly RegionSnapshot[],
  ask: (snapshot: RegionSnapshot) => Promise<Answer>,
): Promise<readonly { readonly region: string; readonly of: Answer }[]> {
  return Promise.all(
    snapshots.map(async (snapshot) => ({ region: snapshot.region, of: await ask(snapshot) })),
  );
}
