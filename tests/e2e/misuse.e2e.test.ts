import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import { prepareCluster } from '#deploy/local/prepare-cluster.ts';
import { withCluster } from '#tests/support/chaos-cluster.ts';
import { expectConverged } from '#tests/support/chaos-compare.ts';
import { ChaosReplicator } from '#tests/support/chaos-replicator.ts';

const MIB = 1024 * 1024;
const SCHEMA = `
CREATE TABLE notes (id int PRIMARY KEY, body text);
CREATE TABLE keyless (body text);
CREATE TABLE blobs (id int PRIMARY KEY, body bytea);
`;
/** Incompressible, so that it fills a log of 16 MiB. */
const BLOBS = `INSERT INTO blobs SELECT n, (SELECT string_agg(decode(md5(random()::text || n || g), 'hex'), '')
  FROM generate_series(1, 4096) g)`;

describe('what is wrong around a region is said, and mended without a restart:', () => {
  const chaos = withCluster({
    cluster: 'misuse',
    startReplicators: false,
    // What was acknowledged counts as written to disk after six seconds, and is trimmed no sooner.
    config: { log: { maxBytes: 16 * MIB, syncIntervalMs: 1_000 } },
  });

  // What one test leaves cut must not fail the next one too.
  afterEach(() => chaos.cluster.healAll());

  test('a database that is not prepared, or down, when its replicator starts', async () => {
    const { cluster } = chaos;
    const { postgres, replicator } = cluster.region('eu');
    await postgres.stop();
    await replicator.start();
    const down = await replicator.until('explaining itself', ({ error }) => error !== null);
    expect(down.error?.code).toBe('DATABASE_UNREACHABLE');
    await postgres.start();
    await replicator.until('missing its database', ({ error }) => error?.code !== down.error?.code);
    const prepared = await prepareCluster(cluster.local, {
      schema: { source: 'schema', text: SCHEMA },
    });
    await replicator.untilRunning();
    expect(prepared.reports[0]?.leftOut).toMatchObject([{ table: 'public.keyless' }]);
    expect(prepared.reports[0]?.leftOut[0]?.reason).toContain('no primary key');
  });

  test('peers that cannot be reached when it starts', async () => {
    const { cluster } = chaos;
    cluster.cutOff('us');
    for (const name of ['us', 'ap']) await cluster.region(name).replicator.start();
    const us = await cluster.region('us').replicator.untilRunning();
    await cluster.query('us', "INSERT INTO notes VALUES (1, 'alone')");
    await cluster.query(
      'eu',
      "INSERT INTO notes VALUES (2, 'two of us'); INSERT INTO keyless VALUES ('mine')",
    );
    const told = await cluster
      .region('us')
      .replicator.until('telling', ({ origins }) => (origins['eu']?.error ?? null) !== null);
    expect(told.origins['eu']?.error?.code).toBe('PEER_UNREACHABLE');
    expect(us.error).toBeNull();
    cluster.healAll();
    await expectConverged(cluster);
    // A table that is left out goes on as before, for its own region only.
    await cluster.query('eu', "UPDATE keyless SET body = 'still mine'; DELETE FROM keyless");
  });

  test('a log that is full, because a peer is away', async () => {
    const { cluster } = chaos;
    const { replicator } = cluster.region('eu');
    cluster.cutOff('ap');
    for (let id = 0; id < 480; id += 16) {
      await cluster.query('eu', `${BLOBS} FROM generate_series(${id}, ${id + 15}) n`);
    }
    const full = await replicator.until('full', ({ error }) => error !== null, 60_000);
    expect(full.error?.code).toBe('LOG_FULL');
    expect(full.error?.message).toContain('max_bytes');
    await cluster.query('eu', "INSERT INTO notes VALUES (3, 'nobody waits for the log')");
    await cluster.query('us', "INSERT INTO notes VALUES (4, 'nor for eu')");
    await untilNote('eu', 4);
    cluster.healAll();
    await expectConverged(cluster, 90_000);
    const again = await replicator.until('well again', ({ error }) => error === null);
    expect(again.phase).toBe('running');
  });

  test('a transaction that is larger than the log, until the log is enlarged', async () => {
    const { cluster } = chaos;
    const { replicator } = cluster.region('eu');
    await cluster.query('eu', `${BLOBS} FROM generate_series(1001, 1400) n`);
    await replicator.until('full', ({ error }) => error?.code === 'LOG_FULL', 60_000);
    const text = await readFile(cluster.local.configPath, 'utf8');
    await writeFile(
      cluster.local.configPath,
      text.replace(`maxBytes: ${16 * MIB}`, `maxBytes: ${64 * MIB}`),
    );
    for (const { replicator: one } of cluster.regions.values()) {
      await one.kill();
      await one.start();
    }
    await expectConverged(cluster, 90_000);
  });

  test('a role without the rights it needs', async () => {
    const { cluster } = chaos;
    const { replicator } = cluster.region('eu');
    await cluster.query('eu', 'CREATE ROLE weak LOGIN');
    await replicator.kill();
    const path = join(dirname(cluster.local.configPath), 'weak.yaml');
    const text = await readFile(cluster.local.configPath, 'utf8');
    const port = cluster.region('eu').postgres.port;
    await writeFile(path, text.replace(`postgres@127.0.0.1:${port}`, `weak@127.0.0.1:${port}`));
    const weak = new ChaosReplicator(path, 'eu', 'eu-weak');
    await weak.start();
    try {
      const status = await weak.until('refused', ({ error }) => error !== null);
      expect(status.error?.code).toBe('PRIVILEGE_MISSING');
      await cluster.query('us', "INSERT INTO notes VALUES (5, 'the others go on')");
      await untilNote('ap', 5);
      await cluster.query('eu', 'ALTER ROLE weak SUPERUSER REPLICATION');
      await weak.untilRunning();
      await untilNote('eu', 5);
    } finally {
      await weak.kill();
    }
    await replicator.start();
    await expectConverged(cluster);
  });

  async function untilNote(region: string, id: number): Promise<void> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const rows = await chaos.cluster.query(region, `SELECT 1 FROM notes WHERE id = ${id}`);
      if (rows.length > 0) return;
      if (performance.now() > deadline) throw new Error(`note ${id} does not reach ${region}`);
      await sleep(50);
    }
  }
});

describe('a server with wal_level=replica', () => {
  const chaos = withCluster({
    cluster: 'wallevel',
    regions: ['eu', 'us'],
    startReplicators: false,
    postgresSettings: { wal_level: 'replica' },
  });

  test('is refused with the setting that mends it, and accepted once it is mended', async () => {
    const { cluster } = chaos;
    const schema = { source: 'schema', text: SCHEMA };
    const refusal: unknown = await prepareCluster(cluster.local, { schema }).catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(EverywriteError);
    expect(String(refusal)).toMatch(/wal_level/);
    for (const name of cluster.names) {
      await cluster.query(name, "ALTER SYSTEM SET wal_level = 'logical'");
      const { postgres } = cluster.region(name);
      await postgres.stop();
      await postgres.start();
    }
    await prepareCluster(cluster.local, { schema });
    await cluster.startReplicators();
    await cluster.query('eu', "INSERT INTO notes VALUES (1, 'at last')");
    await expectConverged(cluster);
  });
});
