import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { expectLedgerKept, watchAtomicity } from '#tests/support/chaos-audit.ts';
import { REGIONS, withCluster } from '#tests/support/chaos-cluster.ts';
import type { ChaosCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { LOAD_COLUMNS, LOAD_SCHEMA, startLoad } from '#tests/support/chaos-load.ts';
import { announcedSeed, chaosRandom, phaseMs } from '#tests/support/chaos-random.ts';
import type { ChaosRandom } from '#tests/support/chaos-random.ts';

const VICTIMS = ['replicator', 'postgres', 'nats'] as const;

const chaos = withCluster({
  cluster: 'chaos',
  schema: LOAD_SCHEMA,
  config: { columns: LOAD_COLUMNS },
});

test(
  'kill -9 of anything, anywhere, again and again loses and doubles nothing',
  async () => {
    const { cluster } = chaos;
    const random = chaosRandom(announcedSeed('chaos'));
    const load = startLoad(cluster, random.fork());
    const watch = watchAtomicity(cluster);
    const kills = await killAround(cluster, random, phaseMs(30, 600));
    await load.stop();
    const { elapsedMs } = await expectConverged(cluster);
    await watch.stop();
    const { acknowledged, unknown, refused } = load.ledger;
    process.stderr.write(
      `chaos: ${kills.join(' ')}\n${acknowledged.size} commits, ${unknown.size} unknown, ` +
        `${refused} refused, ${watch.looks} looks, equal ${Math.round(elapsedMs)} ms after the last write\n`,
    );
    expect(watch.torn).toEqual([]);
    expect(kills.length).toBeGreaterThan(5);
    await expectLedgerKept(cluster, load.ledger);
  },
  phaseMs(150, 900),
);

/** Kills and starts again, one actor per region, so that regions fall at the same time too. */
async function killAround(
  cluster: ChaosCluster,
  random: ChaosRandom,
  durationMs: number,
): Promise<readonly string[]> {
  const end = performance.now() + durationMs;
  const kills: string[] = [];
  const attack = async (region: string, own: ChaosRandom): Promise<void> => {
    await sleep(own.integer(3_000));
    while (performance.now() < end) {
      const victim = own.pick(VICTIMS);
      kills.push(`${region}/${victim}`);
      const server = cluster.region(region)[victim];
      await server.kill();
      await sleep(own.next() < 0.5 ? 0 : own.integer(3_000));
      await server.start();
      await sleep(1_000 + own.integer(5_000));
    }
  };
  await Promise.all(REGIONS.map((region) => attack(region, random.fork())));
  return kills;
}
