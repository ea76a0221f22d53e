import { expect, test } from 'vitest';
import { directedPairs } from '#deploy/local/cluster-ports.ts';
import type { LocalCluster, LocalRegion } from '#deploy/local/cluster.ts';
import { followOrder, linkViews, parseOrder } from '#deploy/local/link-order.ts';
import { startLinkProxy } from '#deploy/local/link-proxy.ts';

const REGIONS = ['eu', 'us', 'ap'];

async function network(): Promise<Pick<LocalCluster, 'regions' | 'links'> & AsyncDisposable> {
  const links = await Promise.all(
    directedPairs(REGIONS).map(async (pair) => {
      return { ...pair, proxy: await startLinkProxy({ targetPort: 1 }) };
    }),
  );
  return {
    regions: new Map(REGIONS.map((name) => [name, { name } as LocalRegion])),
    links: () => links,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(links.map(({ proxy }) => proxy.close()));
    },
  };
}

test('two regions name their link, one all of its links, none every link; in both directions', async () => {
  await using cluster = await network();
  const cut = (): readonly string[] =>
    linkViews(cluster).flatMap(({ from, to, state }) => (state === 'open' ? [] : `${from} ${to}`));
  followOrder(cluster, { kind: 'cut', regions: ['us', 'eu'], mode: 'drop' });
  expect(cut()).toEqual(['eu us', 'us eu']);
  followOrder(cluster, { kind: 'cut', regions: ['ap'], mode: 'reset' });
  expect(cut()).toHaveLength(6);
  followOrder(cluster, { kind: 'heal', regions: ['ap', 'eu'] });
  expect(cut()).toEqual(['eu us', 'us eu', 'us ap', 'ap us']);
  followOrder(cluster, { kind: 'heal', regions: [] });
  expect(cut()).toEqual([]);
  followOrder(cluster, { kind: 'delay', regions: ['eu'], delayMs: 7 });
  expect(linkViews(cluster).filter(({ delayMs }) => delayMs === 7)).toHaveLength(4);
});

test('a region that is not there is answered with the nearest name', async () => {
  await using cluster = await network();
  const order = { kind: 'heal', regions: ['uss'] } as const;
  expect(() => followOrder(cluster, order)).toThrow('Did you mean "us"?');
  expect(() => followOrder(cluster, { kind: 'heal', regions: REGIONS })).toThrow('more than two');
  expect(() => followOrder(cluster, { kind: 'heal', regions: ['eu', 'eu'] })).toThrow('to itself');
});

test.each([
  null,
  {},
  { kind: 'cut', regions: ['eu'] },
  { kind: 'heal', regions: 'eu' },
  { kind: 'delay', regions: [], delayMs: -1 },
  { kind: 'melt', regions: [] },
])('an order that makes no sense is refused: %j', (order) => {
  expect(() => parseOrder(order)).toThrow('An order to the links');
});
