import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayProcess } from '#deploy/local/gateway-process.ts';
import { Watcher, Writer } from '#tests/gateway/failover-clients.ts';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';

/** 1,000 by EVERYWRITE_WATCHERS=1000; CI has other things to do with its two cores. */
const WATCHERS = Number(process.env['EVERYWRITE_WATCHERS'] ?? 40);
const WRITERS = 4;

const regions = withRegions({
  schema: 'CREATE TABLE entry (id int PRIMARY KEY);',
  gateway: { auth: { anonymousRole: 'postgres' }, ratePerSecond: 100_000, rateBurst: 100_000 },
});
const gateways: GatewayProcess[] = [];

beforeAll(async () => {
  const { configPath } = regions().cluster;
  for (const region of ['eu', 'us']) {
    const logPath = configPath.replace('everywrite.yaml', `gateway-${region}.log`);
    gateways.push(await GatewayProcess.start({ configPath, region, logPath }));
  }
  await Promise.all(gateways.map((gateway) => gateway.untilReady()));
});

afterAll(async () => {
  await Promise.allSettled(gateways.map((gateway) => gateway.kill()));
});

test('a gateway is killed under subscriptions and writers: nothing lost, nothing twice, nothing stale', async () => {
  const addresses = gateways.map(({ region, url }) => ({ name: region, url }));
  const watchers = Array.from({ length: WATCHERS }, () => new Watcher(addresses));
  await eventually('every subscription begins', () => watchers.every(({ started }) => started));
  const writers = Array.from(
    { length: WRITERS },
    (_, n) => new Writer(addresses, (n + 1) * 100_000),
  );
  const stop = new AbortController();
  const writing = writers.map((writer) => writer.run(stop.signal));
  await pause(1000);
  const killedMs = performance.now();
  await gateways[0]?.kill();
  await pause(2500);
  stop.abort();
  await Promise.all(writing);
  await regions().settle();

  const ids = writers.flatMap(({ written }) => written);
  // How many depends on the machine; some on either side of the kill.
  const times = writers.flatMap(({ succeededMs }) => succeededMs);
  expect(times.filter((at) => at < killedMs).length).toBeGreaterThan(0);
  expect(times.filter((at) => at > killedMs).length).toBeGreaterThan(0);
  await eventually('every change is told to everybody', () => {
    return watchers.every(({ told }) => ids.every((id) => told.has(id)));
  });
  for (const { told, errors, client } of watchers) {
    expect(errors).toEqual([]);
    expect(client.region).toBe('us');
    expect([...told].filter(([, times]) => times !== 1)).toEqual([]);
  }
  expect(writers.flatMap(({ stale }) => stale)).toEqual([]);
  const refusals = Object.groupBy(
    writers.flatMap(({ failures }) => failures),
    String,
  );
  const gaps = [...watchers.map(({ heardMs }) => heardMs), ...writers.map((w) => w.succeededMs)];
  const waits = gaps.map((times) => (times.find((at) => at > killedMs + 5) ?? Infinity) - killedMs);
  const sorted = waits.toSorted((left, right) => left - right);
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  process.stdout.write(
    `failover with ${WATCHERS} subscriptions: p50 ${sorted[sorted.length >> 1]?.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, ${ids.length} rows, refusals: ${JSON.stringify(refusals)}\n`,
  );
  // The promise is a second; a machine that does other work meanwhile is given more.
  expect(p99).toBeLessThan(4000);
  await Promise.all(watchers.map((watcher) => watcher.stop()));
});
