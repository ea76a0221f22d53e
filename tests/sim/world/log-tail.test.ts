import { expect, test } from 'vitest';
import {
  AP,
  expectSame,
  SECOND,
  settle,
  threeRegions,
  writeEverywhere,
} from '#tests/sim/world-fixture.ts';

test('a region whose log lost its tail, and that is down for long after that, finds at its peers what it needs', async () => {
  const world = threeRegions({ seed: 17, logSyncIntervalMs: 1_000 });
  await world.start();
  writeEverywhere(world, 60, world.nowUs() + 3 * SECOND, 6);
  // Between two of its syncs: what it acknowledged, and said that it had applied, is gone.
  await world.runUntil(world.nowUs() + Math.round(2.9 * SECOND));
  const end = world.inject({ do: 'kill', target: `${AP}.repl`, restartMs: null });
  world.inject({ do: 'log.lose-tail', target: AP, windowMs: 30_000 });
  await world.runUntil(world.nowUs() + 60 * SECOND);
  end();
  expect(await settle(world, 60)).toBeNull();
  expectSame(world);
});
