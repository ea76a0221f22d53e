import { expect, test } from 'vitest';
import { parseRegionId } from '#core/region.ts';
import { parseVector } from '#core/version-vector.ts';
import { laggards } from '#deploy/verify/quiescence.ts';
import type { Position } from '#deploy/verify/quiescence.ts';

function position(name: string, captured: number, applied: string, epoch = 1): Position {
  const region = parseRegionId(name);
  return { region, captured, applied: parseVector(applied), unpublishedBytes: 0, epoch };
}

test('regions that hold what everybody captured lag nobody', () => {
  const all = 'eu.1:5,us.1:7';
  expect(laggards([position('eu', 5, all), position('us', 7, all)])).toEqual([]);
});

test('who lacks what of whom is counted, but not a region behind its own capture', () => {
  const positions = [position('eu', 6, 'eu.1:5,us.1:7'), position('us', 7, 'eu.1:2,us.1:7')];
  expect(laggards(positions)).toEqual([{ region: 'us', peer: 'eu', transactions: 4 }]);
});

test('an earlier epoch of a region must have arrived as well', () => {
  const positions = [
    position('eu', 1, 'eu.1:9,eu.2:1,us.1:0', 2),
    position('us', 0, 'eu.1:8,eu.2:1,us.1:0'),
  ];
  expect(laggards(positions)).toEqual([{ region: 'us', peer: 'eu', transactions: 1 }]);
});
