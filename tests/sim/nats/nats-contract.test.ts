import { expect, test } from 'vitest';
import { NATS_CASES, STREAM_BYTES_MAX } from '#tests/sim/nats-contract.ts';
import { SimNatsWorld } from '#tests/sim/nats/sim-nats-subject.ts';

test.for(NATS_CASES)('simulated: $name', async ({ run, outcome }) => {
  for (const seed of [1, 2, 3]) {
    const world = new SimNatsWorld({ seed, maxBytes: STREAM_BYTES_MAX });
    const { value, end } = await world.within(() => run(world));
    expect(value).toEqual(outcome);
    expect(end.findings).toEqual([]);
  }
});
