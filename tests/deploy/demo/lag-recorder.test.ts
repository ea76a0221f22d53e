import { expect, test } from 'vitest';
import { Isolation } from '#deploy/demo/isolation.ts';
import { LagRecorder } from '#deploy/demo/lag-recorder.ts';
import { percentile } from '#deploy/demo/percentile.ts';

test('percentiles are values that were measured', () => {
  const samples = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([0.5, 0.99, 1].map((share) => percentile(samples, share))).toEqual([50, 99, 100]);
  expect(percentile([7], 0.01)).toBe(7);
  expect(percentile([], 0.5)).toBeNull();
});

test('lag is from commit to visible less the link, for every beat once', () => {
  const lag = new LagRecorder(() => 40);
  for (const at of [1_000, 1_050, 1_100]) lag.committed('eu', at);
  lag.visible('eu', 'us', 2, 1_100, true);
  lag.visible('eu', 'us', 2, 1_200, true);
  expect(lag.figures('eu', 'us')).toEqual({ p50: 10, p99: 60, samples: 2 });
  expect(lag.seenUntil('eu', 'us')).toBe(1_050);
  lag.visible('eu', 'us', 3, 1_145, true);
  expect(lag.figures('eu', 'us', 1_140)).toEqual({ p50: 5, p99: 5, samples: 1 });
  const pairs = [{ from: 'eu', to: 'us' }];
  expect(lag.total(pairs, () => true)?.samples).toBe(3);
  expect(lag.total(pairs, (committedAt) => committedAt > 1_000)?.samples).toBe(2);
  expect(lag.figures('us', 'eu')).toBeNull();
});

test('a beat that is seen before its commit was answered waits for the answer', () => {
  const lag = new LagRecorder(() => 0);
  lag.visible('eu', 'us', 1, 1_000, true);
  lag.committed('eu', 1_001);
  lag.visible('eu', 'us', 1, 1_004, true);
  expect(lag.figures('eu', 'us')).toEqual({ p50: 3, p99: 3, samples: 1 });
});

test('a healed region has caught up when every pair shows a commit from after the healing', () => {
  const lag = new LagRecorder(() => 0);
  const isolation = new Isolation('ap', ['eu'], lag);
  lag.committed('eu', 90);
  lag.committed('ap', 90);
  isolation.cut(95);
  expect(isolation.pair('eu', 'ap').kind).toBe('cut');
  expect(isolation.pair('eu', 'us').kind).toBe('open');
  isolation.heal(100);
  lag.visible('eu', 'ap', 1, 110, false);
  lag.committed('eu', 120);
  lag.committed('ap', 120);
  lag.visible('eu', 'ap', 2, 130, false);
  expect(isolation.pair('eu', 'ap').kind).toBe('open');
  expect(isolation.check(140)).toBe(false);
  lag.visible('ap', 'eu', 2, 150, false);
  expect(isolation.check(150)).toBe(true);
  expect(isolation.caughtUpMs).toBe(50);
  // In flight, alone, behind a backlog: none of these says how fast it is when all is well.
  const moments = [-406, 90, 97, 120, 149, 151];
  const steady = moments.filter((at) => isolation.isSteady(at));
  expect(steady).toEqual([-406, 151]);
  expect([90, 97, 120].map((at) => isolation.isDuringCut(at))).toEqual([false, true, false]);
});
