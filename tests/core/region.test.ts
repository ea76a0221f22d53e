import { expect, test } from 'vitest';
import { epochOf, parseRegionId, regionOf, replicaId } from '#core/region.ts';

test('a replica is its region and its epoch, and gives both back', () => {
  for (const region of ['eu', 'us-east-1', 'a']) {
    const replica = replicaId(parseRegionId(region), 12);
    expect(replica).toBe(`${region}.12`);
    expect(regionOf(replica)).toBe(region);
    expect(epochOf(replica)).toBe(12);
  }
});

test('region names stay fit for stream names, files and SQL', () => {
  for (const name of ['', 'EU', '1a', 'a.b', 'a_b', '-a', 'a b', 'ä', 'a'.repeat(32), 'a*', 'a>']) {
    expect(() => parseRegionId(name), name).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', recovery: 'operator' }),
    );
  }
  expect(parseRegionId('a'.repeat(31))).toHaveLength(31);
});
