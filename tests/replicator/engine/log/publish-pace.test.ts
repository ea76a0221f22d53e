import { expect, test } from 'vitest';
import { PublishPace } from '#replicator/engine/log/publish-pace.ts';

/** The wait after a second of transactions at this rate. */
function waitAt(perSecond: number): number {
  const pace = new PublishPace();
  for (let n = 0; n <= perSecond; n += 1) pace.arrived((n * 1000) / perSecond);
  return pace.waitMs(1000);
}

test('up to 200 transactions a second none waits for another', () => {
  for (const perSecond of [1, 50, 200]) expect(waitAt(perSecond)).toBe(0);
});

test('the faster they come, the longer a frame waits, up to a bound', () => {
  expect(waitAt(400)).toBeGreaterThan(0);
  expect(waitAt(600)).toBeGreaterThan(waitAt(400));
  for (const perSecond of [700, 2000, 3000]) expect(waitAt(perSecond)).toBeCloseTo(8, 1);
});

test('a frame that soon has enough company does not wait longer', () => {
  expect(waitAt(20_000)).toBeLessThan(1.3);
});

test('a burst is forgotten', () => {
  const pace = new PublishPace();
  for (let n = 0; n < 100; n += 1) pace.arrived(0);
  expect(pace.waitMs(1)).toBeGreaterThan(0);
  expect(pace.waitMs(500)).toBe(0);
});
