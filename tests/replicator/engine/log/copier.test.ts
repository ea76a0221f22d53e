import { beforeEach, expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import { EverywriteError } from '#core/errors.ts';
import { parseRegionId } from '#core/region.ts';
import type { Piece } from '#core/transaction.ts';
import { Copier } from '#replicator/engine/log/copier.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { frameRecords } from '#replicator/engine/log/framing.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import type { LogStores } from '#replicator/engine/log-port.ts';
import { ManualTime, SILENT } from '#tests/replicator/engine/manual-time.ts';
import { MemoryStore, MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';
import { ownHeartbeat, ownRecord } from '#tests/replicator/engine/log/own-records.ts';

const EU = parseRegionId('eu');
const US = parseRegionId('us');

let time: ManualTime;
let eu: MemoryStore;
let us: MemoryStore;
let copy: MemoryStream;
let copier: Copier;
let stop: AbortController;
let finished: Promise<void>;

beforeEach(() => {
  time = new ManualTime();
  [eu, us] = [new MemoryStore(), new MemoryStore()];
  for (const store of [eu, us]) store.streams.set(EU, new MemoryStream());
  copy = new MemoryStream();
  const peers = new Map([
    [EU, eu],
    [US, us],
  ]);
  const stores: LogStores = {
    local: () => Promise.reject(new Error('unexpected')),
    peer: (region) => {
      const store = must(peers.get(region), 'peer');
      const away = { code: 'PEER_UNREACHABLE', recovery: 'retry', message: 'away' } as const;
      return store.isUp ? Promise.resolve(store) : Promise.reject(new EverywriteError(away));
    },
  };
  copier = new Copier(EU, [US], stores, copy, { timers: time, logger: SILENT }, 0);
  stop = new AbortController();
});

function start(): void {
  finished = copier.run(stop.signal);
}

async function end(): Promise<void> {
  stop.abort();
  await time.pass(5000);
  await finished;
}

function store(stream: MemoryStream | undefined, ...records: readonly OwnRecord[]): void {
  for (const record of records) {
    for (const { bytes } of frameRecords([record])) must(stream, 'stream').store(bytes);
  }
}

function held(stream = copy): readonly string[] {
  return stream.entries.map(({ frame }) => {
    const { kind, lastSequence, part } = decodeFrame(frame).header;
    return `${kind[0]}${lastSequence}${part > 0 ? `/${part}` : ''}`;
  });
}

function pieces(sequence: number, count: number, shift = 0): readonly OwnRecord[] {
  return Array.from({ length: count }, (_, at) => {
    const piece: Piece = { part: at + 1, last: at + 1 === count };
    const record = ownRecord(sequence, 9, piece);
    if (record.kind !== 'transaction' || piece.last) return record;
    const endLsn = (record.transaction.endLsn - shift) as typeof record.transaction.endLsn;
    return { ...record, transaction: { ...record.transaction, endLsn } };
  });
}

test('the copy is the origin’s log byte for byte, and follows it', async () => {
  store(eu.streams.get(EU), ownRecord(1), ownHeartbeat(1), ownRecord(2));
  start();
  await time.pass(0);
  store(eu.streams.get(EU), ownRecord(3));
  await time.pass(0);
  const bytes = (stream: MemoryStream) => stream.entries.map(({ frame }) => Buffer.from(frame));
  expect(bytes(copy)).toEqual(bytes(must(eu.streams.get(EU), 'origin')));
  expect(copier.status).toMatchObject({ source: EU, error: null, last: { lastSequence: 3 } });
  await end();
});

test('a copy whose answers get lost holds every frame once', async () => {
  let count = 0;
  const fates = ['unanswered', 'lost', 'stored', 'unanswered'] as const;
  copy.fate = () => fates[count++ % fates.length] ?? 'stored';
  store(eu.streams.get(EU), ...[1, 2, 3, 4, 5, 6, 7].map((at) => ownRecord(at)));
  start();
  await time.pass(20_000);
  expect(held()).toEqual(['t1', 't2', 't3', 't4', 't5', 't6', 't7']);
  await end();
});

test('while the origin is away, a peer that is ahead serves', async () => {
  store(us.streams.get(EU), ownRecord(1), ownRecord(2));
  eu.isUp = false;
  start();
  await time.pass(10);
  expect(held()).toEqual(['t1', 't2']);
  expect(copier.status.source).toBe(US);
  store(eu.streams.get(EU), ownRecord(1), ownRecord(2), ownRecord(3));
  eu.isUp = true;
  await time.pass(5000);
  expect(held()).toEqual(['t1', 't2', 't3']);
  expect(copier.status.source).toBe(EU);
  await end();
});

test('a peer that has nothing more is not asked to serve, and the origin’s absence is named', async () => {
  store(us.streams.get(EU), ownRecord(1));
  store(copy, ownRecord(1));
  eu.isUp = false;
  start();
  await time.pass(1000);
  expect(copier.status).toMatchObject({ source: null, error: { code: 'PEER_UNREACHABLE' } });
  await end();
});

test('an origin that lost its tail and grouped it anew adds only what the copy lacks', async () => {
  store(copy, ownRecord(1));
  for (const { bytes } of frameRecords([2, 3, 4].map((at) => ownRecord(at)))) copy.store(bytes);
  store(eu.streams.get(EU), ownRecord(1), ownRecord(2), ownRecord(3));
  for (const { bytes } of frameRecords([4, 5].map((at) => ownRecord(at)))) {
    must(eu.streams.get(EU), 'origin').store(bytes);
  }
  start();
  await time.pass(0);
  expect(held()).toEqual(['t1', 't4', 't5']);
  await end();
});

test.each([
  ['a transaction', [ownRecord(4)]],
  ['a heartbeat', [ownHeartbeat(3), ownRecord(4)]],
])('a log that begins beyond what the copy lacks is refused: %s', async (_, records) => {
  store(copy, ownRecord(1), ownRecord(2));
  store(eu.streams.get(EU), ...records);
  start();
  await time.pass(1000);
  expect(copier.status.error).toMatchObject({ code: 'MUST_REJOIN', recovery: 'operator' });
  expect(held()).toEqual(['t1', 't2']);
  await end();
});

function otherWith(sequence: number): OwnRecord {
  const record = ownRecord(sequence);
  if (record.kind !== 'transaction') throw new Error('unexpected');
  const hlc = (record.transaction.hlc + 1) as typeof record.transaction.hlc;
  return { ...record, transaction: { ...record.transaction, hlc } };
}

test.each([
  ['ends like the copy', [ownRecord(1), otherWith(2)], []],
  ['has grown beyond the copy', [ownRecord(1), otherWith(2), otherWith(3), ownHeartbeat(3)], []],
  ['is behind the copy and grows', [ownRecord(1)], [otherWith(2), otherWith(3)]],
])('a log that gives a dot away twice is refused: it %s', async (_, stored, growth) => {
  store(copy, ownRecord(1), ownRecord(2));
  store(eu.streams.get(EU), ...stored);
  start();
  await time.pass(100);
  store(eu.streams.get(EU), ...growth);
  await time.pass(1000);
  expect(copier.status.error).toMatchObject({ code: 'LOG_FORKED', recovery: 'operator' });
  expect(held()).toEqual(['t1', 't2']);
  await end();
});

test('large transactions that commit back to back are copied whole', async () => {
  // Pieces stand where the commit record begins; here that is where the first one ends: 140.
  store(eu.streams.get(EU), ...pieces(1, 3), ...pieces(2, 3, 60));
  start();
  await time.pass(0);
  expect(held()).toEqual(['p1/1', 'p1/2', 'p1/3', 'p2/1', 'p2/2', 'p2/3']);
  await end();
});

test('pieces that the origin sent again are copied once', async () => {
  store(eu.streams.get(EU), ...pieces(1, 3).slice(0, 2), ...pieces(1, 3), ownRecord(2));
  start();
  await time.pass(0);
  expect(held()).toEqual(['p1/1', 'p1/2', 'p1/3', 't2']);
  await end();
});

test('catching up stops where the source ended when it began', async () => {
  const source = new MemoryStream();
  store(source, ...[1, 2, 3, 4, 5].map((at) => ownRecord(at)));
  store(copy, ownRecord(1), ownRecord(2));
  await copier.refresh();
  expect(await copier.catchUpFrom(source, stop.signal)).toBe(3);
  expect(await copier.catchUpFrom(source, stop.signal)).toBe(0);
  expect(held()).toEqual(['t1', 't2', 't3', 't4', 't5']);
});
