import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EverywriteError } from '#core/errors.ts';
import { must } from '#core/assert.ts';
import type { RandomStream } from '#sim/kernel/ports.ts';
import type { ClientStatement } from '#sim/pg/client-statement.ts';
import type { SimClient } from '#sim/pg/sim-client.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { CommitEntry } from '#sim/pg/wal.ts';
import { items, play, simServer } from '#tests/sim/pg/sim-world.ts';
import type { SimServer } from '#tests/sim/pg/sim-world.ts';

const CLIENTS = 6;
const ROUNDS = 12;
const KEYS = 4;
const RECOVERY_US = 30_000;

function pause({ kernel }: SimServer, us: number): Promise<void> {
  return new Promise((resolve) => kernel.after(us, resolve));
}

function draw(random: RandomStream): ClientStatement {
  const table = 'public.item';
  const key = { id: `${random.between(1, KEYS)}` };
  switch (random.between(0, 9)) {
    case 0:
    case 1:
      return { kind: 'insert', table, row: { ...key, v: `u${random.between(1, 6)}`, n: '0' } };
    case 2:
      return { kind: 'delete', table, key };
    case 3:
      return { kind: 'update', table, key, set: { v: `u${random.between(1, 6)}` } };
    case 4:
      return { kind: 'select', table, key, lock: random.chance(0.5) ? 'update' : 'key share' };
    case 5:
      return { kind: 'insert', table, row: { ...key, v: null, n: '0' }, onConflict: 'nothing' };
    case 6:
      return random.chance(0.1) ? { kind: 'truncate', table } : { kind: 'select', table };
    default:
      return { kind: 'update', table, key, add: { n: '1' } };
  }
}

/** One transaction of a client; tells whether the server was there until its end. */
async function transact(client: SimClient, random: RandomStream): Promise<void> {
  const isolation = random.chance(0.2) ? 'repeatable read' : 'read committed';
  await client.execute({ kind: 'begin', isolation });
  let savepoint = false;
  const count = random.between(1, 4);
  for (let at = 0; at < count; at++) {
    if (random.chance(0.3)) {
      await client.execute({ kind: 'savepoint', name: 's' });
      savepoint = true;
    }
    try {
      await client.execute(draw(random));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      if (!savepoint) break;
      await client.execute({ kind: 'rollbackTo', name: 's' });
    }
  }
  await client.execute({ kind: random.chance(0.85) ? 'commit' : 'rollback' });
}

async function work(server: SimServer, at: number, random: RandomStream): Promise<void> {
  const { pg, kernel } = server;
  let client: SimClient | null = null;
  for (let round = 0; round < ROUNDS;) {
    try {
      client ??= await pg.client({ scheduler: kernel });
      await client.execute({ kind: 'setSynchronousCommit', on: at % 3 !== 0 });
      await transact(client, random);
      round++;
    } catch (error) {
      if (!(error instanceof EverywriteError)) throw error;
      client = null;
      await pause(server, 5_000);
    }
  }
}

/** The table as the log has it. */
function replayed(entries: readonly CommitEntry[]): readonly string[] {
  const rows = new Map<string, readonly (string | null)[]>();
  for (const { changes } of entries) {
    for (const change of changes) {
      if (change.kind === 'truncate') rows.clear();
      if (change.old !== null) {
        const old = must(rows.get(change.old[0] ?? ''), 'a row that is changed');
        expect(old).toEqual(change.old);
        rows.delete(change.old[0] ?? '');
      }
      if (change.new !== null) {
        expect(rows.has(change.new[0] ?? '')).toBe(false);
        rows.set(change.new[0] ?? '', change.new);
      }
    }
  }
  return [...rows.values()]
    .toSorted((left, right) => Number(left[0]) - Number(right[0]))
    .map((row) => row.map((value) => value ?? '-').join(' '));
}

function commits({ pg }: SimServer): readonly CommitEntry[] {
  const { wal } = pg.core;
  const entries = Array.from({ length: wal.length }, (_, at) => wal.entry(at));
  return entries.filter((entry) => entry?.kind === 'commit');
}

function expectConsistent(server: SimServer): void {
  const rows = items(server.pg);
  const unique = rows.map((row) => row.split(' ')[1]).filter((v) => v !== '-');
  expect(new Set(unique).size).toBe(unique.length);
  expect(new Set(rows.map((row) => row.split(' ')[0])).size).toBe(rows.length);
  expect(replayed(commits(server))).toEqual(rows);
}

async function stressed(seed: number, crashes: boolean): Promise<SimServer> {
  const server = simServer({ timings: { rowPauseChance: 0.2, walWriterUs: 20_000 } }, seed);
  const { pg, kernel } = server;
  const random = kernel.streams.stream('crash');
  await play(server, async () => {
    const workers = Array.from({ length: CLIENTS }, (_, at) =>
      work(server, at, kernel.streams.stream(`client/${at}`)),
    );
    let working = true;
    const crashing = async (): Promise<void> => {
      for (let count = 0; count < 4 && working; count++) {
        await pause(server, random.between(5_000, 60_000));
        if (!working) return;
        if (random.chance(0.5)) pg.kill();
        else pg.powerLoss();
        expectConsistent(server);
        pg.start(RECOVERY_US);
        await pause(server, RECOVERY_US * 2);
      }
    };
    if (crashes) workers.push(crashing());
    await Promise.all(workers.slice(0, CLIENTS));
    working = false;
    await Promise.all(workers);
    await pause(server, 500_000);
  });
  expect(pg.core.waits.count).toBe(0);
  kernel.stop();
  return server;
}

test('whatever clients do, the table is what the log says, and its constraints hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.boolean(), async (seed, crashes) => {
      const server = await stressed(seed, crashes);
      expectConsistent(server);
      // A table that nobody managed to write would be consistent, too.
      expect(commits(server).length).toBeGreaterThan(CLIENTS);
    }),
    { numRuns: 25 },
  );
});

test('a crash leaves the same rows as building the state again from the log', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const server = await stressed(seed, true);
      const { pg } = server;
      const before = items(pg);
      pg.restore(pg.core.wal.flushedLsn, 'volume');
      expect(items(pg)).toEqual(before);
      const entries = commits(server);
      const middle = entries[Math.floor(entries.length / 2)];
      if (middle === undefined) return;
      pg.restore(middle.endLsn, 'pitr');
      expect(items(pg)).toEqual(replayed(commits(server)));
    }),
    { numRuns: 10 },
  );
});
