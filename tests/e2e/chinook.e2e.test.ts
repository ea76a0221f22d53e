import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { prepareCluster, readScript } from '#deploy/local/prepare-cluster.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged, publishedTables } from '#tests/support/chaos-compare.ts';
import { announcedSeed, chaosRandom, phaseMs } from '#tests/support/chaos-random.ts';
import type { ChaosRandom } from '#tests/support/chaos-random.ts';

const FILE = join(import.meta.dirname, '../../../shared/data/chinook.sql');
const present = existsSync(FILE);
if (!present) {
  process.stderr.write(
    `skipping the test on the Chinook database: ../shared/data/chinook.sql is not there\n`,
  );
}

const FOREIGN_KEYS = `
SELECT c.conrelid::regclass::text AS child, c.confrelid::regclass::text AS parent,
       a.attname AS column, p.attname AS key
FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute p ON p.attrelid = c.confrelid AND p.attnum = c.confkey[1]
WHERE c.contype = 'f'`;

describe.skipIf(!present)('the Chinook shop, as it is', () => {
  const chaos = withCluster({
    cluster: 'chinook',
    startReplicators: false,
  });

  test(
    'is written in three regions through a partition and ends the same everywhere',
    async () => {
      const { cluster } = chaos;
      const loaded = await prepareCluster(cluster.local, { schema: await readScript(FILE) });
      expect(loaded.reports[0]?.tables).toHaveLength(11);
      await cluster.startReplicators();
      const random = chaosRandom(announcedSeed('chinook'));
      const shop = { open: true, sales: 0, refused: 0 };
      const clerks = cluster.names.flatMap((region) => [
        sell(region, random.fork(), shop),
        curate(region, random.fork(), shop),
      ]);
      await sleep(1_500);
      cluster.cutOff('ap');
      await sleep(phaseMs(6, 60));
      cluster.healAll();
      await sleep(1_000);
      shop.open = false;
      await Promise.all(clerks);
      const { elapsedMs } = await expectConverged(cluster);
      const conflicts = await conflictKinds();
      process.stderr.write(
        `chinook: ${shop.sales} transactions, ${shop.refused} refused, equal ${Math.round(elapsedMs)} ms ` +
          `after the last one, conflicts ${JSON.stringify(conflicts)}\n`,
      );
      expect(await publishedTables(cluster, 'eu')).toHaveLength(11);
      await expectInvoicesWhole();
      await expectForeignKeysHold();
    },
    phaseMs(150, 300),
  );

  /** An invoice with its lines, as the shop's application would write it: plain SQL, keys by sequence. */
  async function sell(
    region: string,
    random: ChaosRandom,
    shop: { readonly open: boolean; sales: number; refused: number },
  ): Promise<void> {
    const client = await chaos.cluster.connect(region);
    const first = 100_000 + 1_000_000 * (chaos.cluster.names.indexOf(region) + 1);
    for (let count = 0; shop.open; count++) {
      const invoice = first + count;
      const lines = 1 + random.integer(3);
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO invoice (invoice_id, customer_id, invoice_date, total) VALUES ($1, $2, now(), $3)`,
        [invoice, 1 + random.integer(59), (lines * 0.99).toFixed(2)],
      );
      for (let line = 0; line < lines; line++) {
        await client.query(
          `INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_price, quantity)
           VALUES ($1, $2, $3, 0.99, 1)`,
          [invoice * 4 + line, invoice, 1 + random.integer(3_500)],
        );
      }
      await client.query('COMMIT');
      shop.sales++;
      await sleep(random.integer(12));
    }
    await client.end();
  }

  /** Everybody edits the same few tracks, playlists and invoices. */
  async function curate(
    region: string,
    random: ChaosRandom,
    shop: { readonly open: boolean; sales: number; refused: number },
  ): Promise<void> {
    const client = await chaos.cluster.connect(region);
    for (let count = 0; shop.open; count++) {
      const track = 1 + random.integer(40);
      const playlist = 1 + random.integer(18);
      const dice = random.next();
      try {
        if (dice < 0.35) {
          await client.query(
            'UPDATE track SET unit_price = $2, composer = $3 WHERE track_id = $1',
            [track, (random.integer(500) / 100).toFixed(2), `${region} ${count}`],
          );
        } else if (dice < 0.5) {
          await client.query('UPDATE playlist SET name = $2 WHERE playlist_id = $1', [
            playlist,
            `${region} list ${count}`,
          ]);
        } else if (dice < 0.7) {
          await client.query(
            'INSERT INTO playlist_track (playlist_id, track_id) VALUES ($1, $2) ON CONFLICT DO NOTHING',
            [playlist, track],
          );
        } else if (dice < 0.85) {
          await client.query(
            'DELETE FROM playlist_track WHERE playlist_id = $1 AND track_id = $2',
            [playlist, track],
          );
        } else {
          await client.query(
            'UPDATE invoice SET billing_city = $2, total = total + 1 WHERE invoice_id = $1',
            [1 + random.integer(30), `${region} city ${count}`],
          );
        }
        shop.sales++;
      } catch {
        shop.refused++;
      }
      await sleep(random.integer(10));
    }
    await client.end();
  }

  async function expectInvoicesWhole(): Promise<void> {
    for (const region of chaos.cluster.names) {
      const torn = await chaos.cluster.query(
        region,
        `SELECT i.invoice_id::text FROM invoice i LEFT JOIN invoice_line l USING (invoice_id)
         WHERE i.invoice_id > 100000 GROUP BY i.invoice_id, i.total
         HAVING coalesce(sum(l.unit_price * l.quantity), 0) <> i.total`,
      );
      expect(torn, `invoices of ${region} without all of their lines`).toEqual([]);
    }
  }

  /** Apply writes with the triggers off, so PostgreSQL itself has not checked anything. */
  async function expectForeignKeysHold(): Promise<void> {
    for (const region of chaos.cluster.names) {
      const keys = await chaos.cluster.query(region, FOREIGN_KEYS);
      expect(keys.length).toBeGreaterThan(9);
      for (const { child, parent, column, key } of keys) {
        const orphans = await chaos.cluster.query(
          region,
          `SELECT c.${column} FROM ${child} c LEFT JOIN ${parent} p ON p.${key} = c.${column}
           WHERE c.${column} IS NOT NULL AND p.${key} IS NULL`,
        );
        expect(orphans, `${region}: ${child}.${column} without its ${parent}`).toEqual([]);
      }
    }
  }

  async function conflictKinds(): Promise<Readonly<Record<string, number>>> {
    const rows = await chaos.cluster.query(
      'eu',
      `SELECT relation || ' ' || kind AS what, count(*)::text AS n FROM everywrite.conflicts GROUP BY 1`,
    );
    return Object.fromEntries(rows.map(({ what, n }) => [what ?? '', Number(n)]));
  }
});
