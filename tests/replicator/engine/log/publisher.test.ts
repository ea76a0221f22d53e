import { expect, test } from 'vitest';
import type { Piece } from '#core/transaction.ts';
import { frameRecords } from '#replicator/engine/log/framing.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';
import { ownHeartbeat, ownRecord } from '#tests/replicator/engine/log/own-records.ts';
import { PublisherBench } from '#tests/replicator/engine/log/publisher-bench.ts';

function piece(part: number, last = false): Piece {
  return { part, last };
}

test('what is queued is appended in order and reported durable in order', async () => {
  const bench = new PublisherBench({});
  bench.enqueue(ownRecord(1), ownRecord(2), ownHeartbeat(2), ownRecord(3));
  await bench.time.pass(0);
  expect(bench.sequences()).toEqual([1, 2, 3]);
  expect(bench.durable.map((h) => `${h.kind} ${h.lastSequence}`)).toEqual([
    'transactions 2',
    'heartbeat 2',
    'transactions 3',
  ]);
  expect(bench.publisher.queuedBytes).toBe(0);
  await bench.end();
});

test('a commit that no snapshot shows yet waits, and so does everything behind it (hazards T2)', async () => {
  const bench = new PublisherBench({});
  bench.hidden.add(702);
  bench.enqueue(ownRecord(1, 701), ownRecord(2, 702), ownRecord(3, 703), ownHeartbeat(3));
  await bench.time.pass(50);
  expect(bench.sequences()).toEqual([1]);
  bench.hidden.clear();
  await bench.time.pass(50);
  expect(bench.sequences()).toEqual([1, 2, 3]);
  await bench.end();
});

test('a transaction id that the snapshot does not know of yet is not visible', async () => {
  const bench = new PublisherBench({});
  bench.xmax = 703;
  bench.enqueue(ownRecord(1, 702), ownRecord(2, 703));
  await bench.time.pass(50);
  expect(bench.sequences()).toEqual([1]);
  await bench.end();
});

test('a frame whose answer was lost is not appended twice', async () => {
  const bench = new PublisherBench({});
  let count = 0;
  bench.stream.fate = () => (++count === 1 ? 'unanswered' : 'stored');
  bench.enqueue(ownRecord(1));
  await bench.time.pass(2000);
  bench.enqueue(ownRecord(2));
  await bench.time.pass(0);
  expect(bench.headers().map((h) => h.lastSequence)).toEqual([1, 2]);
  expect(bench.publisher.lastError).toBeNull();
  await bench.end();
});

test('a frame that was not stored is appended again', async () => {
  const bench = new PublisherBench({});
  let count = 0;
  bench.stream.fate = () => (++count <= 2 ? 'lost' : 'stored');
  bench.enqueue(ownRecord(1), ownHeartbeat(1), ownRecord(2));
  await bench.time.pass(100);
  expect(bench.publisher.lastError).toMatchObject({ code: 'LOG_UNREACHABLE' });
  await bench.time.pass(3000);
  expect(bench.headers().map((h) => `${h.kind} ${h.lastSequence}`)).toEqual([
    'transactions 1',
    'heartbeat 1',
    'transactions 2',
  ]);
  await bench.end();
});

test('a full log holds the queue back and shows why, until there is room', async () => {
  const bench = new PublisherBench({ maxUnpublishedBytes: 1 });
  bench.stream.fate = () => 'full';
  bench.enqueue(ownRecord(1));
  let ready = false;
  void bench.publisher.ready(bench.stop.signal).then(() => (ready = true));
  await bench.time.pass(5000);
  expect(bench.publisher.lastError).toMatchObject({ code: 'LOG_FULL' });
  expect(ready).toBe(false);
  expect(bench.confirmed).toEqual([]);
  bench.stream.fate = () => 'stored';
  await bench.time.pass(1000);
  expect(ready).toBe(true);
  expect(bench.sequences()).toEqual([1]);
  await bench.end();
});

test('an acknowledged tail that the log has lost ends the publisher', async () => {
  const bench = new PublisherBench({});
  bench.enqueue(ownRecord(1));
  await bench.time.pass(0);
  bench.stream.loseTail(1);
  bench.enqueue(ownRecord(2));
  await bench.time.pass(1000);
  expect(bench.failure).toMatchObject({ code: 'LOG_TAIL_LOST', recovery: 'restart' });
});

test('another epoch in the own log ends the publisher', async () => {
  const bench = new PublisherBench({});
  for (const { bytes } of frameRecords([ownRecord(1)])) {
    bench.stream.store(
      Buffer.from(Buffer.from(bytes).toString('latin1').replace('eu.1', 'eu.2'), 'latin1'),
    );
  }
  bench.enqueue(ownRecord(1));
  await bench.time.pass(1000);
  expect(bench.failure).toMatchObject({ code: 'LOG_FENCED' });
});

test('the slot is confirmed only once a frame has been durable for as long as the log may lose it', async () => {
  const bench = new PublisherBench({ trailMs: 1000 });
  bench.enqueue(ownRecord(1));
  await bench.time.pass(500);
  bench.enqueue(ownRecord(2));
  await bench.time.pass(400);
  expect(bench.confirmed).toEqual([]);
  await bench.time.pass(300);
  expect(bench.confirmed.map(({ endLsn }) => endLsn)).toEqual([140]);
  await bench.time.pass(1000);
  expect(bench.confirmed.map(({ endLsn }) => endLsn)).toEqual([140, 240]);
  await bench.end();
});

test('a large transaction is durable, and confirmed, with its last piece only', async () => {
  const bench = new PublisherBench({});
  bench.enqueue(ownRecord(1, 701, piece(1)), ownRecord(1, 701, piece(2)));
  await bench.time.pass(0);
  expect(bench.headers()).toHaveLength(2);
  expect(bench.durable).toEqual([]);
  expect(bench.confirmed).toEqual([]);
  bench.enqueue(ownRecord(1, 701, piece(3, true)));
  await bench.time.pass(0);
  expect(bench.durable.map((h) => h.part)).toEqual([3]);
  expect(bench.confirmed.map(({ endLsn }) => endLsn)).toEqual([140]);
  await bench.end();
});

test('pieces that an earlier replicator left without their last one are sent again and read once', async () => {
  const stream = new MemoryStream();
  for (const { bytes } of frameRecords([
    ownRecord(1, 701, piece(1)),
    ownRecord(1, 701, piece(2)),
  ])) {
    stream.store(bytes);
  }
  const bench = new PublisherBench({ stream, position: 2 });
  let count = 0;
  stream.fate = () => (++count === 2 ? 'unanswered' : 'stored');
  const again = [1, 2, 3].map((part) => ownRecord(1, 701, piece(part, part === 3)));
  bench.enqueue(...again, ownRecord(2));
  await bench.time.pass(3000);
  expect(bench.sequences()).toEqual([1, 1, 1, 2]);
  await bench.end();
});

test('what another replicator of this region appended first is not appended again', async () => {
  const bench = new PublisherBench({});
  const records = [1, 2, 3, 4, 5].map((at) => ownRecord(at));
  for (const record of records.slice(0, 4)) {
    for (const { bytes } of frameRecords([record])) bench.stream.store(bytes);
  }
  for (const record of records) {
    bench.enqueue(record);
    await bench.time.pass(1000);
  }
  expect(bench.headers().map((h) => h.lastSequence)).toEqual([1, 2, 3, 4, 5]);
  await bench.end();
});
