import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { expectLedgerKept } from '#tests/support/chaos-audit.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { LOAD_COLUMNS, LOAD_SCHEMA, startLoad } from '#tests/support/chaos-load.ts';
import { announcedSeed, chaosRandom, phaseMs } from '#tests/support/chaos-random.ts';
import { watchMemory } from '#tests/support/chaos-memory.ts';

const PACE = { writersPerRegion: 2, pauseMs: 3 } as const;
const RESIDENT_MIB_MAX = 400;

const chaos = withCluster({
  cluster: 'partition',
  schema: LOAD_SCHEMA,
  config: { columns: LOAD_COLUMNS },
});

// What one test leaves cut must not fail the next one too.
afterEach(() => chaos.cluster.healAll());

test(
  'a region that is cut off goes on writing, stays small, and catches up',
  async () => {
    const { cluster } = chaos;
    const load = startLoad(cluster, chaosRandom(announcedSeed('cut off')), PACE);
    const memory = watchMemory(cluster);
    await sleep(1_500);
    cluster.cutOff('ap');
    const before = await receiptsOf('ap');
    await sleep(phaseMs(12, 60));
    const during = await receiptsOf('ap');
    // It writes on, and sees nothing of the others but what was on its way.
    expect(during['ap'] ?? 0).toBeGreaterThan((before['ap'] ?? 0) + 100);
    const fromEu = (during['eu'] ?? 0) - (before['eu'] ?? 0);
    expect(fromEu).toBeLessThan(400);
    const elsewhere = await receiptsOf('eu');
    expect(elsewhere['us'] ?? 0).toBeGreaterThan((before['us'] ?? 0) + 100);
    cluster.healAll();
    await load.stop();
    const { elapsedMs } = await expectConverged(cluster);
    await memory.stop();
    process.stderr.write(
      `partition: ${load.ledger.transactions} commits, equal ${Math.round(elapsedMs)} ms after the ` +
        `last one, at most ${Math.round(memory.mostMib)} MiB resident\n`,
    );
    await expectLedgerKept(cluster, load.ledger);
    expect(memory.mostMib).toBeLessThan(RESIDENT_MIB_MAX);
  },
  phaseMs(100, 240),
);

test('a link that is cut in one direction, or again and again, delays and loses nothing', async () => {
  const { cluster } = chaos;
  const random = chaosRandom(announcedSeed('flapping'));
  const load = startLoad(cluster, random.fork(), PACE);
  // us no longer reaches eu, eu still reaches us.
  cluster.local.link('us', 'eu').cut('drop');
  const end = performance.now() + phaseMs(8, 60);
  const links = cluster.local.links().filter(({ from, to }) => !(from === 'us' && to === 'eu'));
  while (performance.now() < end) {
    const link = links[random.integer(links.length)];
    link?.proxy.cut(random.next() < 0.5 ? 'drop' : 'reset');
    await sleep(random.integer(900));
    link?.proxy.heal();
    await sleep(random.integer(300));
  }
  await load.stop();
  cluster.healAll();
  await expectConverged(cluster);
  await expectLedgerKept(cluster, load.ledger);
});

test('two regions that cannot reach each other meet through the third', async () => {
  const { cluster } = chaos;
  cluster.local.link('eu', 'ap').cut('drop');
  cluster.local.link('ap', 'eu').cut('drop');
  const load = startLoad(cluster, chaosRandom(announcedSeed('relay')), PACE);
  await sleep(3_000);
  await load.stop();
  const { elapsedMs, statuses } = await expectConverged(cluster);
  const ap = statuses.find(({ region }) => region === 'ap');
  process.stderr.write(`relay: equal ${Math.round(elapsedMs)} ms after the last write\n`);
  expect(ap?.origins['eu']?.source ?? 'us').toBe('us');
  await expectLedgerKept(cluster, load.ledger);
  cluster.healAll();
});

test('what a region wrote before it died for good reaches those that could not reach it', async () => {
  const { cluster } = chaos;
  const eu = cluster.region('eu');
  cluster.local.link('ap', 'eu').cut('drop');
  cluster.local.link('us', 'ap').cut('drop');
  cluster.local.link('ap', 'us').cut('drop');
  await cluster.query('eu', "INSERT INTO receipts (id) VALUES ('last words')");
  await untilReceipt('us', 'last words');
  await Promise.all([eu.replicator.kill(), eu.nats.kill(), eu.postgres.kill()]);
  cluster.local.link('us', 'ap').heal();
  cluster.local.link('ap', 'us').heal();
  await untilReceipt('ap', 'last words');
  // And back, so that the file can be run in any order and the region catches up with the living.
  await cluster.query('ap', "INSERT INTO receipts (id) VALUES ('an answer')");
  await Promise.all([eu.nats.start(), eu.postgres.start()]);
  await eu.replicator.start();
  cluster.healAll();
  await expectConverged(cluster);
});

/** Receipts per region of origin, as `region` sees them. */
async function receiptsOf(region: string): Promise<Readonly<Record<string, number>>> {
  const rows = await chaos.cluster.query(
    region,
    `SELECT substring(id FROM '-(eu|us|ap)') AS origin, count(*)::text AS n FROM receipts GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ origin, n }) => [origin ?? '', Number(n)]));
}

async function untilReceipt(region: string, id: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const rows = await chaos.cluster.query(region, `SELECT 1 FROM receipts WHERE id = '${id}'`);
    if (rows.length > 0) return;
    if (performance.now() > deadline) throw new Error(`"${id}" does not reach ${region}`);
    await sleep(50);
  }
}
