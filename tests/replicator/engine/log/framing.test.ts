import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { Lsn } from '#core/lsn.ts';
import { WHOLE } from '#core/transaction.ts';
import type { Piece } from '#core/transaction.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import { frameRecords, ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import { FRAME_BYTES_MAX } from '#replicator/engine/log/transaction-size.ts';
import { ownTransaction, STATE } from '#tests/replicator/engine/log/own-records.ts';

function record(sequence: number, bytes = 100, piece: Piece = WHOLE): OwnRecord {
  const state = { ...STATE, sequence };
  return ownTransactionRecord(ownTransaction(sequence, 'x'.repeat(bytes)), piece, 700, state);
}

function heartbeat(sequence: number): OwnRecord {
  const state = { ...STATE, sequence };
  return { kind: 'heartbeat', endLsn: (sequence * 100 + 60) as Lsn, wallUs: 5, state, bytes: 100 };
}

function ranges(records: readonly OwnRecord[]): readonly string[] {
  return frameRecords(records).map(({ header, bytes }) => {
    expect(decodeFrame(bytes).header).toEqual(header);
    const { kind, firstSequence, lastSequence, part, lastPart } = header;
    return `${kind} ${firstSequence}-${lastSequence} ${part}${lastPart ? ' last' : ''}`;
  });
}

test('small transactions share a frame', () => {
  expect(ranges([record(1), record(2), record(3)])).toEqual(['transactions 1-3 0 last']);
  expect(ranges([])).toEqual([]);
});

test('a heartbeat keeps its place between transactions', () => {
  expect(ranges([record(1), heartbeat(1), record(2), heartbeat(2)])).toEqual([
    'transactions 1-1 0 last',
    'heartbeat 1-1 0 last',
    'transactions 2-2 0 last',
    'heartbeat 2-2 0 last',
  ]);
});

test('a frame takes no more transactions than stay within its bound, nor more than a thousand', () => {
  const half = Math.floor(FRAME_BYTES_MAX / 2) - 300;
  const records = [record(1, half), record(2, half), record(3, half), record(4, 10)];
  expect(ranges(records)).toEqual(['transactions 1-2 0 last', 'transactions 3-4 0 last']);
  const many = Array.from({ length: 2500 }, (_, at) => record(at + 1, 1));
  expect(ranges(many)).toEqual([
    'transactions 1-1000 0 last',
    'transactions 1001-2000 0 last',
    'transactions 2001-2500 0 last',
  ]);
  for (const frame of frameRecords(records)) {
    const { transactions } = decodeFrame(frame.bytes);
    const bytes = transactions().flatMap(({ ops }) => ops.map((op) => JSON.stringify(op).length));
    expect(bytes.reduce((sum, size) => sum + size)).toBeLessThan(FRAME_BYTES_MAX + 2000);
  }
});

test('a piece of a large transaction is a frame by itself and says which it is', () => {
  const records = [
    record(1),
    record(2, 100, { part: 1, last: false }),
    record(2, 100, { part: 2, last: true }),
    record(3),
  ];
  expect(ranges(records)).toEqual([
    'transactions 1-1 0 last',
    'part 2-2 1',
    'part 2-2 2 last',
    'transactions 3-3 0 last',
  ]);
});

test('a frame’s header is the checkpoint of its last transaction', () => {
  const vector = new Map([['us.1' as typeof STATE.replica, 9]]);
  const first = ownTransaction(7, 'x');
  const last = { ...ownTransaction(8, 'y'), deps: vector };
  const records = [first, last].map((transaction) =>
    ownTransactionRecord(transaction, WHOLE, 700, {
      ...STATE,
      settings: { ...STATE.settings, id: 4 },
    }),
  );
  const { header } = must(frameRecords(records)[0], 'frame');
  const { replica, endLsn, hlc } = last;
  const checkpoint = { replica, endLsn, hlc, vector, settingsId: 4 };
  expect(header).toMatchObject({ ...checkpoint, firstSequence: 7, lastSequence: 8 });
});
