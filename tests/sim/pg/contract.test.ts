import { describe, expect, test } from 'vitest';
import { STATEMENT_CASES } from '#tests/sim/pg/contract-statements.ts';
import { STREAM_CASES } from '#tests/sim/pg/contract-stream.ts';
import { simContract } from '#tests/sim/pg/contract-sim.ts';
import { TRANSACTION_CASES } from '#tests/sim/pg/contract-transactions.ts';
import { play } from '#tests/sim/pg/sim-world.ts';

const SEEDS = 5;

describe.each([180_004, 150_000])('SimPg as %i', (version) => {
  test.each([...TRANSACTION_CASES, ...STATEMENT_CASES, ...STREAM_CASES])(
    '$name',
    async ({ run, outcome }) => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const world = simContract(version, seed);
        const found = await play(world, async () => run(await world.subject()));
        world.kernel.stop();
        expect(found).toEqual(outcome);
      }
    },
  );
});
