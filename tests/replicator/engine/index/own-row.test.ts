import { expect, test } from 'vitest';
import { parseRegionId, replicaId } from '#core/region.ts';
import { sequenceOf } from '#core/version-vector.ts';
import { OwnRow } from '#replicator/engine/index/own-row.ts';
import { StabilityMatrix } from '#replicator/engine/index/stability.ts';
import { ManualTime } from '#tests/replicator/engine/manual-time.ts';

const [EU, US, AP] = ['eu', 'us', 'ap'].map(parseRegionId) as [never, never, never];
const OWN = replicaId(EU, 1);
const THEIRS = replicaId(US, 1);
const MEMBERS = [EU, US, AP];
const TRAIL_MS = 10_000;

function setUp(trailMs = TRAIL_MS) {
  const time = new ManualTime();
  const matrix = new StabilityMatrix(MEMBERS);
  const row = new OwnRow(matrix, { region: EU, replica: OWN }, MEMBERS, time, trailMs);
  return { time, matrix, row, seen: () => sequenceOf(matrix.row(EU), THEIRS) };
}

test('a message that only this log holds says nothing until the disk can be trusted with it', async () => {
  const { time, row, seen } = setUp();
  row.acknowledged(7, new Map([[THEIRS, 3]]));
  row.release();
  expect(seen()).toBe(0);
  await time.pass(TRAIL_MS - 1);
  row.release();
  expect(seen()).toBe(0);
  await time.pass(1);
  row.release();
  expect(seen()).toBe(3);
});

test('it counts as soon as one peer has what came before it', () => {
  const { matrix, row, seen } = setUp();
  row.acknowledged(7, new Map([[THEIRS, 3]]));
  matrix.observe(AP, replicaId(AP, 1), 1, new Map([[OWN, 6]]));
  row.release();
  expect(seen()).toBe(0);
  matrix.observe(AP, replicaId(AP, 1), 2, new Map([[OWN, 7]]));
  row.release();
  expect(seen()).toBe(3);
});

test('a log that writes to the disk before it acknowledges is believed at once', () => {
  const { row, seen } = setUp(0);
  row.acknowledged(7, new Map([[THEIRS, 3]]));
  expect(seen()).toBe(3);
});

test('messages that follow each other closely wait together, the last of them for all', async () => {
  const { time, matrix, row, seen } = setUp();
  for (let at = 1; at <= 500; at++) {
    row.acknowledged(at, new Map([[THEIRS, at]]));
    await time.pass(1);
  }
  matrix.observe(US, THEIRS, 1, new Map([[OWN, 450]]));
  row.release();
  // At most a step behind what the peer has, never beyond it.
  expect(seen()).toBeLessThanOrEqual(450);
  expect(seen()).toBeGreaterThanOrEqual(250);
});
