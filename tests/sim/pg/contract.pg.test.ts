import { beforeAll, expect, test } from 'vitest';
import { describePostgres } from '#tests/support/servers.ts';
import { realContract } from '#tests/sim/pg/contract-real.ts';
import type { RealContract } from '#tests/sim/pg/contract-real.ts';
import { STATEMENT_CASES } from '#tests/sim/pg/contract-statements.ts';
import { STREAM_CASES } from '#tests/sim/pg/contract-stream.ts';
import { DEADLOCK_TIMEOUT_MS } from '#tests/sim/pg/contract-subject.ts';
import { TRANSACTION_CASES } from '#tests/sim/pg/contract-transactions.ts';

// The oldest and the newest that we support: with an origin filter and without.
describePostgres(
  [18, 15],
  (postgres) => {
    let contract: RealContract;

    beforeAll(async () => {
      contract = await realContract(await postgres.server());
    });

    test.each([...TRANSACTION_CASES, ...STATEMENT_CASES, ...STREAM_CASES])(
      '$name',
      async ({ run, outcome }) => {
        await using subject = await contract.subject();
        expect(await run(subject)).toEqual(outcome);
      },
    );
  },
  { deadlock_timeout: `${DEADLOCK_TIMEOUT_MS}ms`, max_replication_slots: '60' },
);
