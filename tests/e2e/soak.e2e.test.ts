import { expect, test } from 'vitest';
import type { PgText } from '#core/relation.ts';
import { parseSettings } from '#replicator/engine/capture/capture.ts';
import { announcedSeed, chaosRandom } from '#tests/support/chaos-random.ts';
import type { ChaosRandom } from '#tests/support/chaos-random.ts';
import { pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegions } from '#tests/support/regions.ts';
import type { Contents } from '#tests/support/region-compare.ts';
import type { TestRegion } from '#tests/support/test-region.ts';
import { Auditor } from './soak-auditor.ts';
import type { Image } from './soak-auditor.ts';
import { SOAK_COLUMNS, SOAK_SCHEMA, emptyLedger, write } from './soak-writers.ts';
import type { Ledger } from './soak-writers.ts';

// EVERYWRITE_SOAK_SECONDS=600 for a night; the default fits into every day's tests.
const SECONDS = Number(process.env['EVERYWRITE_SOAK_SECONDS'] ?? 25);
const WRITERS_PER_REGION = 3;

const regions = withRegions({
  regions: ['eu', 'us', 'ap'],
  schema: SOAK_SCHEMA,
  columns: SOAK_COLUMNS,
});

test(
  'three regions under every kind of write, cuts and restarts end equal, and lost nothing',
  { timeout: SECONDS * 1000 + 120_000 },
  async () => {
    const random = chaosRandom(announcedSeed('soak'));
    const auditor = await audited(regions());
    const ledger = emptyLedger();
    const startMs = performance.now();
    const span = { startMs, endMs: startMs + SECONDS * 1000 };
    const writers = regions().all.flatMap((region) =>
      Array.from({ length: WRITERS_PER_REGION }, async (_, at) => {
        const sql = await region.client();
        await write(sql, `${region.name}${at}`, random.fork(), ledger, span);
      }),
    );
    const faults = disturb(regions(), random.fork(), span);
    await Promise.all([...writers, faults]);
    await regions().letGo();
    await regions().settle();
    report(regions(), auditor, ledger);
    expect(auditor.violations.slice(0, 3)).toEqual([]);
    const contents = await regions().converge();
    expect(tallies(contents)).toEqual(expectedTallies(ledger));
    const outcome = auditor.outcome();
    expect(itemsOf(contents)).toEqual(itemsIn(outcome.rows));
    expect(conflictNames(contents)).toEqual(outcome.conflicts);
  },
);

/** Every region's slot is watched from its first frame on: so they start again. */
async function audited(all: TestRegions): Promise<Auditor> {
  const [first] = all.all;
  if (first === undefined) throw new RangeError('no region');
  const row = await first.sql.query<{ id: string; value: string }>(
    `SELECT s.id, s.value FROM everywrite.settings s JOIN everywrite.region r
     ON r.initial_settings = s.id`,
  );
  const { id = '0', value = '' } = row.rows[0] ?? {};
  const base = new Map<string, Readonly<Record<string, PgText>>>();
  const { rows } = await first.sql.query<Record<string, string>>(
    'SELECT id::text, n::text, amount::text FROM tallies',
  );
  for (const tally of rows) base.set(`public.tallies ${tally['id']}`, { ...tally });
  const auditor = new Auditor(parseSettings(Number(id), value), base);
  for (const region of all.all) {
    await region.stop();
    region.witness = auditor.witness(region.name);
    await region.start();
  }
  return auditor;
}

type Fault = (all: TestRegions, region: TestRegion, random: ChaosRandom) => Promise<void>;
const ALL_FAULTS: readonly [readonly [string, Fault], ...(readonly [string, Fault])[]] = [
  ['links are cut', cut],
  ['the replicator starts again', restart],
  ['sessions are ended', breakSessions],
  ['capture stands still', hold],
];
const only = process.env['EVERYWRITE_SOAK_FAULT'];
const FAULTS = ALL_FAULTS.filter(([name]) => only === undefined || name.includes(only));

async function disturb(
  all: TestRegions,
  random: ChaosRandom,
  span: { startMs: number; endMs: number },
): Promise<void> {
  const { startMs, endMs } = span;
  while (performance.now() < endMs - 3000) {
    await pause(200 + random.integer(800));
    const region = all.all[random.integer(all.all.length)];
    if (region === undefined) return;
    const [fault, disturb] = FAULTS[random.integer(FAULTS.length)] ?? ALL_FAULTS[0];
    const at = Math.round((performance.now() - startMs) / 100) / 10;
    process.stderr.write(`soak: at ${at} s, ${fault} in ${region.name}\n`);
    await disturb(all, region, random);
  }
}

async function cut(all: TestRegions, region: TestRegion, random: ChaosRandom): Promise<void> {
  const both = random.next() < 0.5;
  const hit = all.cluster
    .links()
    .filter(({ from, to }) => from === region.name || (both && to === region.name));
  for (const { proxy } of hit) proxy.cut(random.next() < 0.5 ? 'drop' : 'reset');
  await pause(300 + random.integer(1700));
  for (const { proxy } of hit) proxy.heal();
}

async function restart(_all: TestRegions, region: TestRegion): Promise<void> {
  await region.stop();
  await region.start();
}

/** The server ends some of the replicator's sessions, whatever they are doing. */
async function breakSessions(
  _all: TestRegions,
  region: TestRegion,
  random: ChaosRandom,
): Promise<void> {
  await region.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name LIKE 'everywrite%' AND random() < $1`,
    [random.next()],
  );
}

async function hold(_all: TestRegions, region: TestRegion, random: ChaosRandom): Promise<void> {
  region.capture.hold();
  await pause(50 + random.integer(700));
  region.capture.release();
}

function report(all: TestRegions, auditor: Auditor, ledger: Ledger): void {
  const errors = [...ledger.errors].map(([code, count]) => `${code}×${count}`).join(' ');
  const lines = all.all.map((region) => {
    const status = region.status();
    return `${region.name} ${JSON.stringify(status?.counters)}`;
  });
  process.stderr.write(
    `soak: ${ledger.commits} commits, errors ${errors || 'none'}, ${auditor.checked} images ` +
      `checked, ${auditor.excused} excused\n${lines.join('\n')}\n`,
  );
}

interface Tally {
  readonly id: number;
  readonly n: bigint;
  readonly cents: bigint;
}

function tallies(contents: Contents): readonly Tally[] {
  const rows = (contents.tables['public.tallies'] ?? []).map((row) => {
    const { id, n } = JSON.parse(row) as { id: number; n: number };
    // JSON.parse would round; the text has two digits behind the point.
    const [, whole = '0', cents = '00'] = /"amount": (-?\d+)\.(\d\d)/.exec(row) ?? [];
    return { id, n: BigInt(n), cents: BigInt(`${whole}${cents}`) };
  });
  return rows.toSorted((left, right) => left.id - right.id);
}

function expectedTallies(ledger: Ledger): readonly Tally[] {
  const ids = Array.from({ length: 40 }, (_, at) => at + 1);
  return ids.map((id) => ({
    id,
    n: ledger.n.get(id) ?? 0n,
    cents: ledger.cents.get(id) ?? 0n,
  }));
}

function itemsOf(contents: Contents): ReadonlyMap<string, unknown> {
  const rows = (contents.tables['public.items'] ?? []).map((row): [string, unknown] => {
    const item = JSON.parse(row) as Record<string, unknown>;
    return [`public.items ${String(item['id'])}`, item];
  });
  return new Map(rows);
}

function itemsIn(rows: ReadonlyMap<string, Image>): ReadonlyMap<string, unknown> {
  const items = new Map<string, unknown>();
  for (const [id, image] of rows) {
    if (image === null || !id.startsWith('public.items ')) continue;
    const number = (name: string): number | null =>
      image[name] === null ? null : Number(image[name]);
    items.set(id, { ...image, id: number('id'), n: number('n'), amount: number('amount') });
  }
  return items;
}

function conflictNames(contents: Contents): readonly string[] {
  const names = contents.conflicts.map((c) =>
    [c.relation, c.key, c.column_name, c.winner_dot, c.loser_dot].join(' '),
  );
  return names.toSorted();
}
