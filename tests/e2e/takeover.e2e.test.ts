import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/ports.ts';
import { expectLedgerKept } from '#tests/support/chaos-audit.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { LOAD_COLUMNS, LOAD_SCHEMA, startLoad } from '#tests/support/chaos-load.ts';
import { announcedSeed, chaosRandom } from '#tests/support/chaos-random.ts';
import { ChaosReplicator } from '#tests/support/chaos-replicator.ts';

/** Longer than the other one needs to trim the log: the sleeper then remembers what is gone. */
const FROZEN_MS = 13_000;

const chaos = withCluster({
  cluster: 'takeover',
  regions: ['eu', 'us'],
  schema: LOAD_SCHEMA,
  config: { columns: LOAD_COLUMNS },
});
let second: ChaosReplicator;

beforeAll(async () => {
  second = await standby(chaos.cluster.local.configPath);
  await second.start();
});

afterAll(() => second.kill());

test('a second replicator of a region waits, and takes over when the first is killed', async () => {
  const { cluster } = chaos;
  const first = cluster.region('eu').replicator;
  await second.until('waiting', ({ phase }) => phase === 'waiting');
  const load = startLoad(cluster, chaosRandom(announcedSeed('takeover')));
  await sleep(1_500);
  await first.kill();
  const started = performance.now();
  await second.untilRunning();
  const tookOverMs = performance.now() - started;
  process.stderr.write(`takeover: after kill -9 in ${Math.round(tookOverMs)} ms\n`);
  await first.start();
  await first.until('waiting', ({ phase }) => phase === 'waiting');
  await sleep(1_000);
  await second.kill();
  await first.untilRunning();
  await second.start();
  await second.until('waiting', ({ phase }) => phase === 'waiting');
  await load.stop();
  await expectConverged(cluster);
  await expectLedgerKept(cluster, load.ledger);
  expect(tookOverMs).toBeLessThan(4_000);
});

test('a replicator that was frozen while another took over does no harm when it wakes', async () => {
  const { cluster } = chaos;
  const first = cluster.region('eu').replicator;
  await first.untilRunning();
  const load = startLoad(cluster, chaosRandom(announcedSeed('zombie')));
  await sleep(1_500);
  first.signal('SIGSTOP');
  // PostgreSQL still has its walsender, which admits nobody else until somebody ends it: an operator
  // who fails over from a frozen machine does this, or wal_sender_timeout does.
  await sleep(500);
  await cluster.query(
    'eu',
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active`,
  );
  const started = performance.now();
  await second.untilRunning(60_000);
  process.stderr.write(
    `takeover: from a frozen replicator in ${Math.round(performance.now() - started)} ms\n`,
  );
  await sleep(FROZEN_MS);
  first.signal('SIGCONT');
  // Each fences what the other began; one of them gets the slot, whichever it is.
  await sleep(1_000);
  const { active, idle } = await oneRunsOneWaits(first, second);
  await load.stop();
  await expectConverged(cluster, 60_000, new Map([['eu', active]]));
  await expectLedgerKept(cluster, load.ledger);
  await active.kill();
  await idle.untilRunning();
  await idle.kill();
  await first.start();
  await expectConverged(cluster);
});

async function oneRunsOneWaits(
  first: ChaosReplicator,
  second: ChaosReplicator,
): Promise<{ readonly active: ChaosReplicator; readonly idle: ChaosReplicator }> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const phases = [(await first.status())?.phase, (await second.status())?.phase];
    if (phases[0] === 'running' && phases[1] === 'waiting') return { active: first, idle: second };
    if (phases[0] === 'waiting' && phases[1] === 'running') return { active: second, idle: first };
    if (performance.now() > deadline) throw new Error(`the two are ${phases.join(' and ')}`);
    await sleep(50);
  }
}

/** Another process for the same region: the same file but for its status page's address. */
async function standby(configPath: string): Promise<ChaosReplicator> {
  const [port = 0] = await freePorts(1);
  const config = parse(await readFile(configPath, 'utf8')) as {
    readonly regions: Record<string, { admin: string }>;
  };
  const eu = config.regions['eu'];
  if (eu !== undefined) eu.admin = `127.0.0.1:${port}`;
  const path = join(configPath, '..', 'standby.yaml');
  await writeFile(path, stringify(config));
  return new ChaosReplicator(path, 'eu', 'eu-standby');
}
