import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { ClusterReport } from '#deploy/inspect/cluster-report.ts';
import { DATABASE, startLocalCluster } from '#deploy/local/cluster.ts';
import type { LocalCluster } from '#deploy/local/cluster.ts';
import { prepareCluster } from '#deploy/local/prepare-cluster.ts';
import { startReplicatorProcess } from '#deploy/local/replicator-process.ts';
import type { ReplicatorProcess } from '#deploy/local/replicator-process.ts';
import { temporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { TemporaryDirectory } from '#deploy/local/temporary-directory.ts';
import type { VerifyReport } from '#deploy/verify/verify-report.ts';
import { runCommand } from '#tests/deploy/cli/run-command.ts';

// The tests of this file go on with one another: first all is well, in the end nothing answers.
const replicators = new Map<string, ReplicatorProcess>();
let directory: TemporaryDirectory;
let cluster: LocalCluster;

beforeAll(async () => {
  directory = await temporaryDirectory('status');
  cluster = await startLocalCluster({
    cluster: 'status',
    regions: ['eu', 'us'],
    dataDir: directory.path,
    postgresSettings: { fsync: 'off', max_slot_wal_keep_size: '512MB' },
  });
  const text = 'CREATE TABLE item (id int PRIMARY KEY, n int);';
  await prepareCluster(cluster, { schema: { source: 'item.sql', text } });
  for (const region of ['eu', 'us']) {
    const logPath = join(directory.path, `${region}.log`);
    const { configPath } = cluster;
    replicators.set(region, await startReplicatorProcess({ configPath, region, logPath }));
  }
  await Promise.all([...replicators.values()].map((replicator) => replicator.untilReady()));
});

afterAll(async () => {
  for (const replicator of replicators.values()) await replicator.kill();
  await cluster.stop();
  await directory.remove();
});

async function inRegion(region: string, sql: string): Promise<void> {
  const { postgres } = must(cluster.regions.get(region), region);
  const client = new pg.Client({ connectionString: postgres.url(DATABASE) });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function status(
  ...more: readonly string[]
): Promise<{ readonly code: number; readonly report: ClusterReport }> {
  const { configPath } = cluster;
  const { code, out } = await runCommand(['status', '--config', configPath, '--json', ...more]);
  return { code, report: JSON.parse(out) as ClusterReport };
}

async function verify(
  ...more: readonly string[]
): Promise<{ readonly code: number; readonly report: VerifyReport }> {
  const { configPath } = cluster;
  const { code, out } = await runCommand(['verify', '--config', configPath, '--json', ...more]);
  return { code, report: JSON.parse(out) as VerifyReport };
}

test('when all is well, status shows every pair at the same transaction and exits with 0', async () => {
  await inRegion('eu', 'INSERT INTO item SELECT g, 0 FROM generate_series(1, 100) g');
  await inRegion('us', 'INSERT INTO item VALUES (1000, 1)');
  const verified = await verify();
  expect(verified.report).toMatchObject({ verdict: 'equal', settled: { kind: 'settled' } });
  expect(verified.code).toBe(0);

  const { code, report } = await status();
  expect(report.problems).toEqual([]);
  expect(code).toBe(0);
  expect(report.pairs).toHaveLength(2);
  for (const pair of report.pairs) {
    expect(pair).toMatchObject({ source: 'origin', behindTransactions: 0, error: null });
    expect(pair.applied).toBe(pair.captured);
    expect(pair.applied).toBeGreaterThan(0);
  }
  const [eu] = report.regions;
  if (eu?.database.kind !== 'answers') throw new Error('the database answers');
  expect(eu.database).toMatchObject({ prepared: true, conflicts: 0, quarantined: 0 });
  expect(eu.database.slot).toMatchObject({ walStatus: 'reserved', active: true });
  expect(eu.database.slot?.safeWalBytes).toBeGreaterThan(100 * 1024 * 1024);

  const { out } = await runCommand(['status', '--config', cluster.configPath]);
  expect(out).toMatch(/eu +running +reserved/);
  expect(out).toMatch(/eu +us +origin/);
  expect(out).toContain('All 2 regions running, nothing quarantined.');
  expect((await status('--region', 'us')).report.pairs).toMatchObject([{ from: 'eu', to: 'us' }]);
});

test('a replicator that is down is named, and verify says what its region lacks', async () => {
  await must(replicators.get('us'), 'us').kill();
  await inRegion('eu', 'UPDATE item SET n = n + 1 WHERE id = 7');
  const { code, report } = await status();
  expect(code).toBe(1);
  expect(report.verdict).toBe('attention');
  expect(report.problems.map(({ region, code: what }) => `${region} ${what}`)).toContain(
    'us PEER_UNREACHABLE',
  );
  const verified = await verify('--timeout', '1');
  expect(verified.code).toBe(1);
  expect(verified.report.settled).toMatchObject({
    kind: 'timeout',
    behind: [{ region: 'us', peer: 'eu', transactions: 1 }],
  });
  expect(verified.report.tables[0]?.differing.examples).toEqual([
    { key: { id: '7' }, missingIn: [], columns: { n: { eu: '1', us: '0' } } },
  ]);
  const { out } = await runCommand(['verify', '--config', cluster.configPath, '--timeout', '1']);
  expect(out).toContain('us lacks 1 transaction of eu');
});

test('when nothing answers at all, the exit code is 3', async () => {
  await must(replicators.get('eu'), 'eu').kill();
  for (const { postgres } of cluster.regions.values()) await postgres.kill();
  const { code, report } = await status();
  expect(report.verdict).toBe('unreachable');
  expect(code).toBe(3);
  const { out } = await runCommand(['status', '--config', cluster.configPath]);
  expect(out).toMatch(/eu +unreachable +unreachable/);
  expect(out).toContain('do: start it: everywrite run --region eu');
});
