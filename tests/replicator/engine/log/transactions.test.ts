import { expect, test } from 'vitest';
import type { Piece } from '#core/transaction.ts';
import { frameRecords } from '#replicator/engine/log/framing.ts';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import { FrameReader, storedPieces } from '#replicator/engine/log/transactions.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';
import { ownHeartbeat, ownRecord } from '#tests/replicator/engine/log/own-records.ts';

function piece(part: number, last = false): Piece {
  return { part, last };
}

function read(reader: FrameReader, ...records: readonly OwnRecord[]): readonly string[] {
  return frameRecords(records).flatMap(({ bytes }) =>
    reader
      .push({ position: 1, frame: bytes })
      .pieces.map(({ transaction, piece: { part, last } }) =>
        part === 0
          ? `${transaction.sequence}`
          : `${transaction.sequence}/${part}${last ? '.' : ''}`,
      ),
  );
}

function large(sequence: number, ...parts: readonly number[]): readonly OwnRecord[] {
  return parts.map((part) => ownRecord(sequence, 9, piece(part, part === 3)));
}

test('each transaction comes once, in order, whatever is repeated and however it is grouped', () => {
  const reader = new FrameReader(0);
  expect(read(reader, ownRecord(1), ownRecord(2))).toEqual(['1', '2']);
  expect(read(reader, ownRecord(1))).toEqual([]);
  expect(read(reader, ownRecord(2), ownRecord(3), ownRecord(4))).toEqual(['3', '4']);
  expect(read(reader, ownHeartbeat(4))).toEqual([]);
});

test('reading goes on behind what the reader has', () => {
  expect(read(new FrameReader(2), ownRecord(1), ownRecord(2), ownRecord(3))).toEqual(['3']);
});

test('a gap is refused, between transactions and before a piece', () => {
  const gap = expect.objectContaining({ code: 'LOG_GAP', recovery: 'restart' });
  expect(() => read(new FrameReader(0), ownRecord(2))).toThrowError(gap);
  expect(() => read(new FrameReader(0), ...large(2, 1))).toThrowError(gap);
  const reader = new FrameReader(0);
  read(reader, ownRecord(1));
  expect(() => read(reader, ownRecord(3))).toThrowError(gap);
});

test('pieces come one by one, once, also when an origin that restarted sends them again', () => {
  const reader = new FrameReader(0);
  expect(read(reader, ...large(1, 1, 2))).toEqual(['1/1', '1/2']);
  expect(read(reader, ...large(1, 1, 2, 3), ownRecord(2))).toEqual(['1/3.', '2']);
  expect(read(reader, ...large(1, 1, 2, 3))).toEqual([]);
  expect(read(reader, ...large(3, 1, 2, 3))).toEqual(['3/1', '3/2', '3/3.']);
});

test('a piece that is missing is a damaged log', () => {
  const corrupt = expect.objectContaining({ code: 'LOG_CORRUPT' });
  expect(() => read(new FrameReader(0), ...large(1, 2))).toThrowError(corrupt);
  expect(() => read(new FrameReader(0), ...large(1, 1, 3))).toThrowError(corrupt);
});

test('what is stored now is read to its end, and no further', async () => {
  const stream = new MemoryStream();
  for (const at of [1, 2, 3, 4, 5, 6, 7]) {
    for (const { bytes } of frameRecords([ownRecord(at)])) stream.store(bytes);
  }
  const sequences: number[] = [];
  const { signal } = new AbortController();
  for await (const { transaction } of storedPieces(stream, 3, 2, signal)) {
    sequences.push(transaction.sequence);
    if (transaction.sequence === 5) {
      for (const { bytes } of frameRecords([ownRecord(8)])) stream.store(bytes);
    }
  }
  expect(sequences).toEqual([3, 4, 5, 6, 7]);
  for await (const stray of storedPieces(stream, 9, 8, signal)) expect(stray).toBeUndefined();
});
