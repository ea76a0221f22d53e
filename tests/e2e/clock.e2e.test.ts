import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { examineRegion } from '#replicator/doctor.ts';
import { regionConfig } from '#replicator/config.ts';
import { expectLedgerKept } from '#tests/support/chaos-audit.ts';
import { clockObstacle, wrongClock } from '#tests/support/chaos-clock.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { LOAD_COLUMNS, LOAD_SCHEMA, startLoad } from '#tests/support/chaos-load.ts';
import { announcedSeed, chaosRandom } from '#tests/support/chaos-random.ts';

const MINUTES = 60;
const TAKES_EFFECT_MS = 2_500;

const obstacle = clockObstacle();
if (obstacle !== undefined) {
  process.stderr.write(`skipping the tests with a wrong clock: ${obstacle}\n`);
}

describe.skipIf(obstacle !== undefined)(
  'with the clock of one region’s PostgreSQL wrong',
  async () => {
    const clock = await wrongClock('us');
    const chaos = withCluster({
      cluster: 'clock',
      schema: LOAD_SCHEMA,
      config: { columns: LOAD_COLUMNS },
      postgresBinDir: clock.binDir,
    });
    afterAll(() => clock.remove());

    test.for([-7 * MINUTES, 5 * MINUTES, -11 * MINUTES])(
      'by %i seconds, a write made after seeing another wins over it, in both directions',
      async (offset) => {
        const { cluster } = chaos;
        await setClock(offset);
        const note = Math.abs(offset) / MINUTES;
        for (const [writer, reader] of [
          ['eu', 'us'],
          ['us', 'eu'],
          ['us', 'ap'],
          ['ap', 'us'],
        ] as const) {
          await cluster.query(writer, `UPDATE notes SET title = 'by ${writer}' WHERE id = ${note}`);
          await untilTitle(reader, note, `by ${writer}`);
          const answer = `${reader} after ${writer}`;
          await cluster.query(reader, `UPDATE notes SET title = '${answer}' WHERE id = ${note}`);
          for (const region of cluster.names) await untilTitle(region, note, answer);
        }
        await cluster.query('us', `DELETE FROM notes WHERE id = ${note}`);
        await expectConverged(cluster);
        await cluster.query('eu', `INSERT INTO notes VALUES (${note}, 'again', 'again')`);
        await expectConverged(cluster);
        for (const region of cluster.names) await untilTitle(region, note, 'again');
        const conflicts = await cluster.query(
          'eu',
          `SELECT * FROM everywrite.conflicts WHERE relation = 'public.notes' AND key = '${note}'`,
        );
        expect(conflicts, 'nothing here was concurrent').toEqual([]);
      },
    );

    test('and jumping to and fro under load, all converge and nothing is lost', async () => {
      const { cluster } = chaos;
      const load = startLoad(cluster, chaosRandom(announcedSeed('clock')));
      for (const offset of [3 * MINUTES, -3 * MINUTES, 20 * MINUTES, 0]) {
        await clock.set(offset);
        await sleep(1_700);
      }
      await load.stop();
      await expectConverged(cluster);
      await expectLedgerKept(cluster, load.ledger);
    });

    test('doctor says whose clock is wrong', async () => {
      const { config } = chaos.cluster.local;
      await setClock(5 * MINUTES);
      const checks = await examineRegion(config, regionConfig(config, 'eu'));
      expect(checks.find(({ id }) => id === 'clock-us')).toMatchObject({ status: 'warn' });
      expect(checks.find(({ id }) => id === 'clock-ap')).toMatchObject({ status: 'ok' });
    });

    async function setClock(offset: number): Promise<void> {
      await clock.set(offset);
      await sleep(TAKES_EFFECT_MS);
      const [row] = await chaos.cluster.query(
        'us',
        'SELECT extract(epoch FROM clock_timestamp())::text AS now',
      );
      const offBy = Number(row?.['now']) - Date.now() / 1000;
      expect(Math.abs(offBy - offset)).toBeLessThan(5);
    }

    async function untilTitle(region: string, note: number, title: string): Promise<void> {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const select = `SELECT title FROM notes WHERE id = ${note}`;
        const [row] = await chaos.cluster.query(region, select);
        if (row?.['title'] === title) return;
        if (performance.now() > deadline) {
          throw new Error(`${region} shows "${row?.['title'] ?? 'nothing'}" instead of "${title}"`);
        }
        await sleep(20);
      }
    }
  },
);
