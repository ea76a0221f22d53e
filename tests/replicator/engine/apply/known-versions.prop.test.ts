import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KnownVersions, vouchesFor, widen } from '#replicator/engine/apply/known-versions.ts';

const SPAN = 2n ** 32n;

test('a 32-bit id is the one nearest to the snapshot, across every wrap', () => {
  const near = fc.bigInt({ min: 3n, max: 40n * SPAN });
  const away = fc.bigInt({ min: -(2n ** 30n), max: 2n ** 30n });
  fc.assert(
    fc.property(near, away, (snapshot, distance) => {
      const full = snapshot + distance < 0n ? snapshot : snapshot + distance;
      expect(widen(Number(full % SPAN), snapshot)).toBe(full);
    }),
  );
});

test('the horizon never goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 1n, max: 100n })), (raises) => {
      const versions = new KnownVersions();
      let highest = 0n;
      for (const xmin of raises) {
        versions.raise(xmin);
        highest = xmin > highest ? xmin : highest;
        expect(versions.horizon).toBe(highest);
      }
    }),
  );
});

test('nothing is known before the first horizon', () => {
  expect(new KnownVersions().guard()).toEqual({ horizonXid: null, ownXids: [] });
});

test('the guard speaks in 32-bit ids, beyond a wrap too', () => {
  const versions = new KnownVersions();
  const xmin = 7n * SPAN - 2n;
  versions.raise(xmin);
  versions.wrote(1, 0xffff_ffff, xmin);
  versions.wrote(2, 1, xmin);
  expect(versions.guard()).toEqual({ horizonXid: 0xffff_fffe, ownXids: [0xffff_ffff, 1] });
  versions.raise(7n * SPAN);
  expect(versions.guard()).toEqual({ horizonXid: 0, ownXids: [1] });
});

test('a captured marker raises the horizon to its snapshot, and so do those before it', () => {
  const versions = new KnownVersions();
  versions.wrote(1, 50, 40n);
  versions.wrote(2, 60, 55n);
  versions.wrote(3, 70, 65n);
  versions.captured(2);
  expect(versions.horizon).toBe(55n);
  expect(versions.guard().ownXids).toEqual([60, 70]);
});

test('a transaction that did not commit is forgotten, once', () => {
  const versions = new KnownVersions();
  versions.wrote(1, 50, 40n);
  versions.wrote(2, 60, 55n);
  versions.forget(2);
  versions.forget(2);
  versions.captured(2);
  expect(versions.guard()).toEqual({ horizonXid: 40, ownXids: [50] });
});

test('own ids are bounded: the oldest go first', () => {
  const versions = new KnownVersions();
  for (let at = 1; at <= 3000; at++) versions.wrote(at, at, 1n);
  expect(versions.ownCount).toBe(2000);
  expect(versions.guard().ownXids[0]).toBe(1001);
});

test('a version is vouched for below the horizon, across the wrap, frozen, or as our own', () => {
  const guard = { horizonXid: 10, ownXids: [20] };
  expect(vouchesFor(guard, 9)).toBe(true);
  expect(vouchesFor(guard, 10)).toBe(false);
  expect(vouchesFor(guard, 20)).toBe(true);
  expect(vouchesFor(guard, 0xff_ff_ff_ff)).toBe(true);
  expect(vouchesFor({ horizonXid: 0xff_ff_ff_ff, ownXids: [] }, 5)).toBe(false);
  expect(vouchesFor(guard, 2)).toBe(true);
  expect(vouchesFor({ horizonXid: null, ownXids: [] }, 2)).toBe(false);
});
