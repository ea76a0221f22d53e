import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { ZERO_LSN } from '#core/lsn.ts';
import type { Lsn } from '#core/lsn.ts';
import { PgoutputDecoder } from '#replicator/engine/pgoutput/decode.ts';
import type { PgoutputMessage } from '#replicator/engine/pgoutput/message.ts';
import type { ReplicationStream } from '#replicator/engine/replication-port.ts';
import type { Statement } from '#replicator/engine/statement.ts';
import { SqlError } from '#sim/pg/sql-error.ts';
import type { CommitEntry } from '#sim/pg/wal.ts';
import { items, play, prepare, simServer } from '#tests/sim/pg/sim-world.ts';
import type { SimServer } from '#tests/sim/pg/sim-world.ts';
import { keyOf, relationOf } from '#tests/sim/pg/relations.ts';

const item = relationOf('item', ['id', 'v', 'n']);
const START = {
  slot: 'everywrite_shop',
  publication: 'everywrite',
  startLsn: ZERO_LSN,
  origin: 'none',
} as const;

function insert(id: string): { kind: 'insert'; table: string; row: Record<string, string> } {
  return { kind: 'insert', table: 'public.item', row: { id, v: `v${id}`, n: '0' } };
}

/** Inserted ids in the order of the stream, and where the last transaction ended. */
async function readIds(
  stream: ReplicationStream,
  count: number,
): Promise<{ readonly ids: readonly unknown[]; readonly endLsn: Lsn }> {
  const decoder = new PgoutputDecoder();
  const ids: unknown[] = [];
  for await (const frames of stream) {
    for (const frame of frames) {
      const message: PgoutputMessage | null =
        frame.kind === 'data' ? decoder.decode(frame.bytes) : null;
      if (message?.kind === 'insert') ids.push(message.values[0]);
      if (message?.kind === 'commit' && ids.length >= count) return { ids, endLsn: message.endLsn };
    }
  }
  throw new Error('the stream ended');
}

const second = (server: SimServer): Promise<void> => pause(server, 1_000_000);

function pause({ kernel }: SimServer, us: number): Promise<void> {
  return new Promise((resolve) => kernel.after(us, resolve));
}

test('after a crash the slot goes back to what was saved, and nothing flushed is missing', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  await play(server, async () => {
    await prepare(server);
    const client = await pg.client({ scheduler: kernel });
    const ports = pg.connectFrom({ scheduler: kernel }, 'shop');
    const stream = await ports.replication.start(START);
    for (const id of ['1', '2', '3']) await client.execute(insert(id));
    const { ids, endLsn } = await readIds(stream, 3);
    expect(ids).toEqual(['1', '2', '3']);
    stream.confirm(endLsn);
    await second(server);
    const slot = must(pg.core.slots.get('everywrite_shop'), 'slot');
    expect(slot.confirmedLsn).toBe(endLsn);
    pg.kill();
    pg.start(100_000);
    await second(server);
    expect(slot.confirmedLsn).toBeLessThan(endLsn);
    expect(items(pg)).toEqual(['1 v1 0', '2 v2 0', '3 v3 0']);
    const again = await ports.replication.start(START);
    expect((await readIds(again, 3)).ids).toEqual(['1', '2', '3']);
    await again.close();
  });
});

test('synchronous_commit = off: a commit that was seen is gone, and its id and place are given out again', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  const lost: CommitEntry[] = [];
  const seen: CommitEntry[] = [];
  pg.listen({
    committed: (entry) => seen.push(entry),
    lost: (entries) => lost.push(...entries),
  });
  await play(server, async () => {
    await prepare(server);
    const client = await pg.client({ scheduler: kernel });
    await client.execute(insert('1'));
    await client.execute({ kind: 'setSynchronousCommit', on: false });
    await client.execute(insert('2'));
    expect(items(pg)).toHaveLength(2);
    pg.powerLoss();
    pg.start(100_000);
    expect(items(pg)).toEqual(['1 v1 0']);
    await second(server);
    const other = await pg.client({ scheduler: kernel });
    await other.execute(insert('3'));
  });
  expect(items(pg)).toEqual(['1 v1 0', '3 v3 0']);
  const [gone] = lost;
  expect(lost).toHaveLength(1);
  expect(seen.at(-1)?.xid).toBe(gone?.xid);
});

test('what a lost commit deleted is there again, even if it had been pruned', async () => {
  const server = simServer({ timings: { walWriterUs: 60_000_000 } });
  const { pg, kernel } = server;
  await play(server, async () => {
    const client = await pg.client({ scheduler: kernel });
    await client.execute(insert('1'));
    for (let round = 0; round < 10; round++) {
      await client.execute({
        kind: 'update',
        table: 'public.item',
        key: { id: '1' },
        add: { n: '1' },
      });
    }
    await client.execute({ kind: 'setSynchronousCommit', on: false });
    for (let round = 0; round < 10; round++) {
      await client.execute({ kind: 'delete', table: 'public.item', key: { id: '1' } });
      await client.execute(insert('1'));
    }
    expect(items(pg)).toEqual(['1 v1 0']);
    pg.powerLoss();
    pg.start(100_000);
    expect(items(pg)).toEqual(['1 v1 10']);
    await second(server);
  });
});

test('a promoted standby without the tail: new timeline, no slot, old positions taken again', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  await play(server, async () => {
    await prepare(server);
    const client = await pg.client({ scheduler: kernel });
    const ports = pg.connectFrom({ scheduler: kernel }, 'shop');
    await client.execute(insert('1'));
    const kept = pg.lsnAt(kernel.nowUs());
    await client.execute(insert('2'));
    await client.execute({ kind: 'delete', table: 'public.item', key: { id: '1' } });
    expect(items(pg)).toEqual(['2 v2 0']);
    pg.promoteStandby(kept);
    pg.start(100_000);
    await second(server);
    expect(items(pg)).toEqual(['1 v1 0']);
    const control = await ports.database.open('control');
    const [state] = await control.flight([{ kind: 'readState' }]);
    expect(state).toMatchObject({ state: { sameServer: false, confirmedFlushLsn: null } });
    await expect(ports.replication.start(START)).rejects.toMatchObject({ code: 'SLOT_MISSING' });
  });
});

test('a flight that has arrived is carried out although its client is gone, COMMIT included', async () => {
  const server = simServer({ timings: { statementUs: 5_000 } });
  const { pg, kernel } = server;
  await play(server, async () => {
    await prepare(server);
    const ports = pg.connectFrom({ scheduler: kernel }, 'shop');
    const session = await ports.database.open('apply');
    await ports.database.localTable(item);
    const flight: Statement[] = [
      { kind: 'begin', lockTimeoutMs: 40 },
      { kind: 'insertRows', relation: item, rows: [['1', 'a', '1']] },
      { kind: 'commit' },
    ];
    const answer = session.flight(flight).catch((error: unknown) => error);
    await pause(server, 2_000);
    ports.destroy();
    expect(await answer).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await second(server);
    expect(items(pg)).toEqual(['1 a 1']);
    expect(pg.core.backends.size).toBe(0);
  });
});

test('a session to apply ends a frozen one that keeps the origin', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  await play(server, async () => {
    await prepare(server);
    const frozen = kernel.spawn('frozen');
    const theirs = pg.connectFrom({ scheduler: frozen }, 'shop');
    const stale = await theirs.database.open('apply');
    await stale.flight([{ kind: 'begin', lockTimeoutMs: 40 }, { kind: 'enterOrigin' }]);
    frozen.freeze();
    const startedUs = kernel.nowUs();
    const ours = pg.connectFrom({ scheduler: kernel }, 'shop');
    const session = await ours.database.open('apply');
    expect(kernel.nowUs() - startedUs).toBeGreaterThan(900_000);
    await session.flight([{ kind: 'enterOrigin' }, { kind: 'leaveOrigin' }]);
    frozen.thaw();
    await expect(stale.flight([{ kind: 'leaveOrigin' }])).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
    });
  });
});

test('savepoints have ids of their own, which rows show and snapshots do not', async () => {
  const server = simServer({ initialXid: 0xffff_fffe });
  const { pg, kernel } = server;
  await play(server, async () => {
    const client = await pg.client({ scheduler: kernel });
    await client.execute({ kind: 'begin' });
    await client.execute(insert('1'));
    await client.execute({ kind: 'savepoint', name: 'a' });
    await client.execute(insert('2'));
    const { inProgress } = pg.core.ids.facts();
    expect(inProgress).toEqual([]);
    await client.execute({ kind: 'commit' });
    const { rows } = await client.execute({ kind: 'select', table: 'public.item' });
    // The ids 0 to 2 of an epoch are never given out.
    expect(rows.map(({ xmin }) => xmin)).toEqual([0xffff_fffe, 0xffff_ffff]);
    await client.execute(insert('3'));
    const last = await client.execute({ kind: 'select', table: 'public.item', key: { id: '3' } });
    expect(last.rows[0]?.xmin).toBe(3);
  });
});

test('in a circle of waits one gives way after deadlock_timeout', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  await play(server, async () => {
    const [left, right] = [
      await pg.client({ scheduler: kernel }),
      await pg.client({ scheduler: kernel }),
    ];
    for (const id of ['1', '2']) await left.execute(insert(id));
    const touch = (id: string): Parameters<typeof left.execute>[0] => {
      return { kind: 'update', table: 'public.item', key: { id }, add: { n: '1' } };
    };
    await left.execute({ kind: 'begin' });
    await right.execute({ kind: 'begin' });
    await left.execute(touch('1'));
    await right.execute(touch('2'));
    const outcomes = await Promise.allSettled([
      left.execute(touch('2')),
      right.execute(touch('1')),
    ]);
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(failed[0]?.reason).toBeInstanceOf(SqlError);
    expect(failed[0]?.reason).toMatchObject({ sqlState: '40P01' });
  });
});

test('whoever comes for a locked row first gets it first, and sees what was done to it', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  const order: string[] = [];
  await play(server, async () => {
    const holder = await pg.client({ scheduler: kernel });
    await holder.execute(insert('1'));
    await holder.execute({ kind: 'begin' });
    const add = {
      kind: 'update',
      table: 'public.item',
      key: { id: '1' },
      add: { n: '1' },
    } as const;
    await holder.execute(add);
    const waiting: Promise<unknown>[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      const client = await pg.client({ scheduler: kernel });
      waiting.push(client.execute(add).then(() => order.push(name)));
      await pause(server, 1_000);
    }
    await holder.execute({ kind: 'commit' });
    await Promise.all(waiting);
  });
  expect(order[0]).toBe('a');
  expect(items(pg)).toEqual(['1 v1 5']);
});

test('the guard is asked again of the version that a lock wait leads to', async () => {
  const server = simServer();
  const { pg, kernel } = server;
  await play(server, async () => {
    await prepare(server);
    const ports = pg.connectFrom({ scheduler: kernel }, 'shop');
    const client = await pg.client({ scheduler: kernel });
    await client.execute(insert('1'));
    const apply = await ports.database.open('apply');
    const [snapshot] = await apply.flight([{ kind: 'readSnapshot' }]);
    const horizonXid = snapshot?.kind === 'snapshot' ? Number(snapshot.snapshot.xmin) : 0;
    await client.execute({ kind: 'begin' });
    await client.execute({
      kind: 'update',
      table: 'public.item',
      key: { id: '1' },
      set: { v: 'x' },
    });
    const write: Statement = {
      kind: 'updateRows',
      relation: item,
      columns: [2],
      rows: [{ key: keyOf('1'), knownXid: null, writes: [{ kind: 'set', value: '9' }] }],
      guard: { horizonXid, ownXids: [] },
    };
    const flight = apply.flight([{ kind: 'begin', lockTimeoutMs: 500 }, write, { kind: 'commit' }]);
    await pause(server, 20_000);
    await client.execute({ kind: 'commit' });
    expect((await flight)[1]).toEqual({ kind: 'count', count: 0 });
  });
  expect(items(pg)).toEqual(['1 x 0']);
});

test('the same seed gives the same trace, another seed another one', async () => {
  const run = async (seed: number): Promise<string> => {
    const server = simServer({}, seed);
    await play(server, async () => {
      await prepare(server);
      const clients = await Promise.all(
        ['1', '2', '3'].map(() => server.pg.client({ scheduler: server.kernel })),
      );
      await Promise.all(clients.map((client, at) => client.execute(insert(`${at}`))));
    });
    return server.kernel.trace.digest();
  };
  expect(await run(7)).toBe(await run(7));
  expect(await run(7)).not.toBe(await run(8));
});
