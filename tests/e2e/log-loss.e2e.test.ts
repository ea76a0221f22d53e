import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { RegionStatus } from '#replicator/engine/region/status.ts';
import { expectLedgerKept } from '#tests/support/chaos-audit.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { LOAD_COLUMNS, LOAD_SCHEMA, startLoad } from '#tests/support/chaos-load.ts';
import { announcedSeed, chaosRandom } from '#tests/support/chaos-random.ts';

const chaos = withCluster({
  cluster: 'logloss',
  schema: LOAD_SCHEMA,
  config: { columns: LOAD_COLUMNS },
});

// What one test leaves cut must not fail the next one too.
afterEach(() => chaos.cluster.healAll());

/** What a power cut leaves of a store that acknowledged before it wrote to the disk. */
async function loseTail(region: string, meanwhile: () => Promise<void>): Promise<void> {
  const { nats } = chaos.cluster.region(region);
  const backup = `${nats.storeDir}.older`;
  await nats.stop();
  await rm(backup, { recursive: true, force: true });
  await cp(join(nats.storeDir, 'jetstream'), backup, { recursive: true });
  await nats.start();
  await meanwhile();
  await nats.kill();
  await rm(join(nats.storeDir, 'jetstream'), { recursive: true });
  await cp(backup, join(nats.storeDir, 'jetstream'), { recursive: true });
  await nats.start();
}

test('an acknowledged tail that the log has lost comes back from the peers', async () => {
  const { cluster } = chaos;
  const load = startLoad(cluster, chaosRandom(announcedSeed('lost tail')));
  await sleep(1_500);
  await loseTail('eu', () => sleep(2_000));
  await sleep(1_500);
  await load.stop();
  const { elapsedMs } = await expectConverged(cluster);
  process.stderr.write(`log loss: equal ${Math.round(elapsedMs)} ms after the last write\n`);
  await expectLedgerKept(cluster, load.ledger);
});

test('a lost tail that no peer has copied is taken from the database again', async () => {
  const { cluster } = chaos;
  const load = startLoad(cluster, chaosRandom(announcedSeed('lost alone')));
  await sleep(1_000);
  await loseTail('us', async () => {
    cluster.cutOff('us');
    await sleep(2_000);
  });
  await sleep(500);
  cluster.healAll();
  await sleep(1_000);
  await load.stop();
  await expectConverged(cluster);
  await expectLedgerKept(cluster, load.ledger);
});

test('a region whose whole log is wiped gets its own and the others from its peers', async () => {
  const { cluster } = chaos;
  const load = startLoad(cluster, chaosRandom(announcedSeed('wiped')));
  await sleep(1_500);
  const { nats } = cluster.region('ap');
  await nats.kill();
  await rm(join(nats.storeDir, 'jetstream'), { recursive: true });
  await nats.start();
  await sleep(1_500);
  await load.stop();
  await expectConverged(cluster);
  await expectLedgerKept(cluster, load.ledger);
});

test('a region whose log is wiped while nobody can help says so, and goes on once somebody can', async () => {
  const { cluster } = chaos;
  const { nats, replicator } = cluster.region('ap');
  cluster.cutOff('ap');
  await nats.kill();
  await rm(join(nats.storeDir, 'jetstream'), { recursive: true });
  await nats.start();
  const lost = ({ error }: RegionStatus): boolean => error?.code === 'LOG_TAIL_LOST';
  const refused = await replicator.until('refusing', lost, 30_000);
  expect(refused.error?.code).toBe('LOG_TAIL_LOST');
  await cluster.query('ap', "INSERT INTO receipts (id) VALUES ('written without a log')");
  cluster.healAll();
  await expectConverged(cluster);
  const rows = await cluster.query(
    'eu',
    "SELECT id FROM receipts WHERE id = 'written without a log'",
  );
  expect(rows).toHaveLength(1);
});
