import { expect, test } from 'vitest';
import type { CaptureEvent } from '#replicator/engine/capture/capture.ts';
import { FRAME_BYTES_MAX, transactionBytes } from '#replicator/engine/log/transaction-size.ts';
import {
  commit,
  insert,
  marker,
  truncate,
  update,
  Walsender,
} from '#tests/replicator/engine/capture/walsender.ts';

function pieces(events: readonly CaptureEvent[]) {
  return events.flatMap((event) => (event.kind === 'transaction' ? [event] : []));
}

function rows(count: number, bytes: number) {
  return Array.from({ length: count }, (_, at) => insert([`${at}`, 'x'.repeat(bytes), '0', null]));
}

test('a transaction larger than a frame comes in numbered pieces under one dot and stamp', () => {
  const events = pieces(
    new Walsender().sendAll(commit(5, ...rows(30, 50_000)), commit(6, ...rows(1, 1))),
  );
  const large = events.slice(0, -1);
  expect(large.length).toBeGreaterThan(2);
  expect(large.map(({ piece }) => piece.part)).toEqual(large.map((_, at) => at + 1));
  expect(large.map(({ piece }) => piece.last)).toEqual(
    large.map((_, at) => at === large.length - 1),
  );
  for (const { transaction, state } of large) {
    expect(transaction).toMatchObject({ sequence: 1, hlc: 5, commitLsn: 100 });
    expect(state.sequence).toBe(1);
    expect(transactionBytes(transaction)).toBeLessThan(FRAME_BYTES_MAX + 60_000);
  }
  expect(large.flatMap(({ transaction }) => transaction.ops)).toHaveLength(30);
  expect(events.at(-1)).toMatchObject({
    piece: { part: 0, last: true },
    transaction: { sequence: 2 },
  });
});

test('only the last piece stands where the transaction may be confirmed', () => {
  const events = pieces(new Walsender().sendAll(commit(5, ...rows(30, 50_000))));
  const ends = events.map(({ transaction }) => transaction.endLsn);
  expect(ends).toEqual(ends.map((_, at) => (at === ends.length - 1 ? 140 : 100)));
});

test('decoding again cuts at the same rows', () => {
  const wal = commit(5, ...rows(40, 30_000), update(['1', 'a', '0', null], ['2', 'b', '0', null]));
  const cuts = () =>
    pieces(new Walsender().sendAll(wal)).map(({ transaction }) => transaction.ops.length);
  expect(cuts()).toEqual(cuts());
});

test('a transaction that ends right where a piece does still has a last piece', () => {
  const one = rows(1, FRAME_BYTES_MAX);
  const events = pieces(new Walsender().sendAll(commit(5, ...one)));
  expect(events.map(({ piece }) => piece)).toEqual([
    { part: 1, last: false },
    { part: 2, last: true },
  ]);
  expect(events.map(({ transaction }) => transaction.ops.length)).toEqual([1, 0]);
});

test('without origins, a large transaction of apply’s is one marker and no piece', () => {
  const met = marker(5, new Map(), 20);
  const events = new Walsender().sendAll(commit(5, met, ...rows(30, 50_000)));
  expect(events).toEqual([{ kind: 'marker', generation: 5 }]);
});

test('a TRUNCATE takes back only what was not handed out yet', () => {
  const events = pieces(
    new Walsender().sendAll(commit(5, ...rows(30, 50_000), truncate(), ...rows(1, 1))),
  );
  const last = events.at(-1)?.transaction.ops.map(({ kind }) => kind);
  expect(last).toEqual(['truncate', 'insert']);
});
