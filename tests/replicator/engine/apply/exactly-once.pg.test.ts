import { afterEach, expect, test } from 'vitest';
import { eventually, pause, withRegions } from '#tests/support/regions.ts';
import type { TestRegion } from '#tests/support/test-region.ts';

// Whatever dies at whatever moment: every operation counts once (DESIGN.md section 3, invariant 4).

const regions = withRegions({
  schema: `
    CREATE TABLE tallies (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
    INSERT INTO tallies SELECT g FROM generate_series(1, 5) g;`,
  columns: { 'public.tallies.n': 'counter' },
});
afterEach(async () => regions().letGo());

async function total(region: TestRegion): Promise<number> {
  const { rows } = await region.sql.query<{ n: number }>('SELECT sum(n)::int AS n FROM tallies');
  return rows[0]?.n ?? 0;
}

/** us adds, one row per transaction, while `trouble` happens to eu's replicator. */
async function conserved(adds: number, trouble: (eu: TestRegion) => Promise<void>): Promise<void> {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  await regions().settle();
  const before = await total(eu);
  let added = 0;
  let working = true;
  const write = async (region: TestRegion): Promise<void> => {
    const sql = await region.client();
    for (let round = 0; working || added < adds; round++) {
      await sql.query(`UPDATE tallies SET n = n + 1 WHERE id = ${1 + (round % 5)}`);
      added += 1;
      await pause(3);
    }
  };
  const writing = [write(us), write(eu)];
  try {
    await trouble(eu);
  } finally {
    working = false;
    await Promise.all(writing);
  }
  await regions().letGo();
  await regions().converge();
  expect(await total(eu)).toBe(before + added);
}

/** Ends the session that wrote last under apply's lock of the applied vector: apply's own. */
async function endApplySession(eu: TestRegion): Promise<void> {
  await eu.sql.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name LIKE 'everywrite%' AND pid <> pg_backend_pid()
       AND query NOT LIKE '%START_REPLICATION%' AND backend_type = 'client backend'`,
  );
}

test('the reply to COMMIT is lost, again and again', async () => {
  await conserved(20, async (eu) => {
    for (let round = 0; round < 2; round++) {
      const generation = await generationOf(eu);
      eu.apply.loseCommitReply();
      await eventually('apply goes on', async () => (await generationOf(eu)) > generation + 3);
    }
  });
});

test('apply’s session is ended right after COMMIT was sent', async () => {
  await conserved(20, async (eu) => {
    for (let round = 0; round < 3; round++) {
      const generation = await generationOf(eu);
      const ended = Promise.withResolvers<void>();
      eu.apply.whenCommitIsSent(() => {
        eu.apply.whenCommitIsSent(null);
        void endApplySession(eu).then(ended.resolve, ended.reject);
      });
      await ended.promise;
      await eventually('apply goes on', async () => (await generationOf(eu)) > generation + 3);
    }
  });
});

test('apply’s session is ended between the rows and COMMIT', async () => {
  await conserved(20, async (eu) => {
    for (let round = 0; round < 3; round++) {
      const generation = await generationOf(eu);
      const stop = eu.apply.pauseBefore('commit');
      await stop.reached;
      await endApplySession(eu);
      stop.resume();
      await eventually('apply goes on', async () => (await generationOf(eu)) > generation + 3);
    }
  });
});

test('the replicator ends at every stage of an apply transaction', async () => {
  await conserved(20, async (eu) => {
    for (const kind of ['begin', 'lockRows', 'commit'] as const) {
      const stop = eu.apply.pauseBefore(kind);
      await Promise.race([stop.reached, pause(1000)]);
      const stopped = eu.stop();
      stop.resume();
      await stopped;
      await eu.start();
      await eventually('it runs', () => eu.status()?.phase === 'running');
      await pause(100);
    }
  });
});

test('own commits that were not captured when the replicator ended are captured afterwards, once', async () => {
  await conserved(20, async (eu) => {
    for (let round = 0; round < 2; round++) {
      eu.capture.hold();
      await pause(150);
      await eu.stop();
      await pause(50);
      eu.capture.release();
      await eu.start();
      await eventually('it runs', () => eu.status()?.phase === 'running');
      await pause(100);
    }
  });
});

test('capture meets the marker before apply has the reply to COMMIT', async () => {
  const [eu, us] = [regions().region('eu'), regions().region('us')];
  await regions().settle();
  const generation = await generationOf(eu);
  // The reply is held, and everything behind it: the WAL with the marker and a later own write goes on.
  const stop = eu.apply.pauseAfter('commit');
  await us.sql.query('UPDATE tallies SET n = n + 1 WHERE id = 1');
  await stop.reached;
  expect(await generationOf(eu)).toBe(generation + 1);
  await eu.sql.query('UPDATE tallies SET n = n + 1 WHERE id = 1');
  await eventually('us has the own write that depends on it', async () => {
    const { rows } = await us.sql.query<{ n: number }>('SELECT n FROM tallies WHERE id = 1');
    return rows[0]?.n === (await row(eu, 1));
  });
  stop.resume();
  await regions().converge();
});

async function row(region: TestRegion, id: number): Promise<number | undefined> {
  const { rows } = await region.sql.query<{ n: number }>('SELECT n FROM tallies WHERE id = $1', [
    id,
  ]);
  return rows[0]?.n;
}

async function generationOf(region: TestRegion): Promise<number> {
  const { rows } = await region.sql.query<{ generation: number }>(
    'SELECT generation::int FROM everywrite.applied',
  );
  return rows[0]?.generation ?? 0;
}
