import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooser, draws, keyOf, playRegions, rowIn } from '#tests/conflict/region-histories.ts';
import { replay } from '#tests/replicator/engine/index/replay.ts';
import type { ReplayedRegion } from '#tests/replicator/engine/index/replayed-region.ts';
import type { ChangeTransaction } from '#core/transaction.ts';

const KEYS = [0, 1, 2].map(keyOf);
const STABLE = new Map(KEYS.slice(0, 2).map((key) => [key, [key, 's', '7']]));
const RUNS = { numRuns: 200 };
const numbers = fc.infiniteStream(fc.nat());

function expectSpecified(region: ReplayedRegion, applied: readonly ChangeTransaction[]): void {
  const rows = region.rows();
  for (const key of KEYS) expect(rows.get(key) ?? null, key).toEqual(rowIn(applied, key, STABLE));
}

test('with capture at its heels, the table is after every batch what the operations mean', () => {
  fc.assert(
    fc.property(draws(3, 40), numbers, (steps, stream) => {
      const choose = chooser(stream);
      const schedule = {
        batch: () => 1 + choose(4),
        capture: () => 99,
        prunes: () => choose(2) > 0,
      };
      const region = replay(playRegions(steps, STABLE), STABLE, schedule, (now, applied) => {
        expectSpecified(now, applied);
        expect(now.index.dirtyCount).toBe(0);
      });
      expect(region.index.size).toBe(0);
    }),
    RUNS,
  );
});

test('with capture behind, dirty rows are enough to make the table what the operations mean', () => {
  fc.assert(
    fc.property(draws(3, 40), numbers, (steps, stream) => {
      const choose = chooser(stream);
      const schedule = {
        batch: () => 1 + choose(4),
        capture: () => Math.max(0, choose(4) - 1),
        prunes: () => choose(2) > 0,
      };
      const region = replay(playRegions(steps, STABLE), STABLE, schedule, (now, applied) => {
        if (now.uncaptured.length === 0 && now.index.dirtyCount === 0)
          expectSpecified(now, applied);
      });
      expect(region.index.size).toBe(0);
    }),
    RUNS,
  );
});
