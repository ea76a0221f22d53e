import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAdminClient } from '#replicator/pg/admin-client.ts';
import { dropSlot, readSlotHealth } from '#replicator/pg/slot-health.ts';
import { scratchServer } from '#tests/replicator/pg/scratch-database.ts';
import type { ScratchServer } from '#tests/replicator/pg/scratch-database.ts';
import { streamedDatabase } from '#tests/replicator/pg/streamed-database.ts';

let server: ScratchServer;

beforeAll(async () => {
  const settings = { fsync: 'off', max_slot_wal_keep_size: '16MB', min_wal_size: '32MB' };
  server = await scratchServer({ settings });
});
afterAll(() => server[Symbol.asyncDispose]());

test('a slot is seen idle, read, lost and dropped', async () => {
  await using db = await streamedDatabase(server, 'health');
  const client = await openAdminClient({ url: db.url, connectTimeoutMs: 5000 });
  const { name } = db;
  expect(await readSlotHealth(client, 'none')).toBeNull();
  expect(await dropSlot(client, 'none')).toBe(false);
  expect(await readSlotHealth(client, name)).toMatchObject({
    walStatus: 'reserved',
    activePid: null,
    safeWalBytes: expect.any(Number),
    retainedBytes: expect.any(Number),
  });

  const reader = await db.start();
  expect(await readSlotHealth(client, name)).toMatchObject({ activePid: expect.any(Number) });
  await expect(dropSlot(client, name)).rejects.toMatchObject({ code: 'SLOT_BUSY' });
  await reader.stream.close();
  await db.untilIdle();

  for (let segment = 0; segment < 4; segment += 1) {
    await db.rows(`SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000))
                   FROM generate_series(1, 20)`);
    await db.rows(`SELECT pg_switch_wal()`);
    await db.rows(`CHECKPOINT`);
  }
  expect(await readSlotHealth(client, name)).toMatchObject({ walStatus: 'lost', restartLsn: null });
  await expect(db.start()).rejects.toMatchObject({ code: 'SLOT_LOST', recovery: 'operator' });
  expect(await dropSlot(client, name)).toBe(true);
  await client.close();
});
