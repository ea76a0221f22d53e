import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { decodeFrame, encodeFrame } from '#replicator/engine/log/frame.ts';
import type { FrameHeader } from '#replicator/engine/log/frame.ts';
import { transactions } from '#tests/replicator/engine/log/arbitrary-transactions.ts';

const packr = new Packr({ useRecords: false });

function headerOf(group: readonly ChangeTransaction[]): FrameHeader {
  const [first, last] = [must(group[0], 'first'), must(group.at(-1), 'last')];
  const { replica, sequence: lastSequence, endLsn, hlc, deps: vector } = last;
  const range = { replica, firstSequence: first.sequence, lastSequence, endLsn, hlc, vector };
  const part = { part: 0, lastPart: true, wallUs: 1_700_000_000_000_000 };
  return { kind: 'transactions', ...range, settingsId: 3, ...part };
}

/** The same transactions, sharing no object with them. */
function rebuilt(group: readonly ChangeTransaction[]): readonly ChangeTransaction[] {
  return structuredClone(group);
}

test('what goes into a frame comes out of it: every kind of operation, any text, NULLs', () => {
  fc.assert(
    fc.property(transactions, (group) => {
      const header = headerOf(group);
      const frame = decodeFrame(encodeFrame(header, group));
      expect(frame.header).toEqual(header);
      expect(frame.transactions()).toEqual(group);
    }),
    { numRuns: 150 },
  );
});

test('the same transactions are the same bytes, whatever was encoded in between', () => {
  fc.assert(
    fc.property(transactions, transactions, (group, other) => {
      const header = headerOf(group);
      const bytes = Buffer.from(encodeFrame(header, group));
      encodeFrame(headerOf(other), other);
      expect(Buffer.from(encodeFrame(headerOf(rebuilt(group)), rebuilt(group)))).toEqual(bytes);
    }),
    { numRuns: 100 },
  );
});

test('a frame that was kept is not changed by encoding others', () => {
  fc.assert(
    fc.property(transactions, transactions, (group, other) => {
      const bytes = encodeFrame(headerOf(group), group);
      const copy = Uint8Array.from(bytes);
      for (let times = 0; times < 20; times++) encodeFrame(headerOf(other), other);
      expect(Buffer.compare(bytes, copy)).toBe(0);
    }),
    { numRuns: 100 },
  );
});

test('a heartbeat carries its vector and nothing else', () => {
  fc.assert(
    fc.property(transactions, (group) => {
      const header: FrameHeader = { ...headerOf(group), kind: 'heartbeat' };
      const frame = decodeFrame(encodeFrame(header, []));
      expect(frame.header).toEqual(header);
      expect(frame.transactions()).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test('a large transaction that compresses well is a small frame', () => {
  const [sample] = fc.sample(transactions, { numRuns: 1, seed: 7 });
  const [transaction] = must(sample, 'sample');
  const [op] = must(transaction, 'transaction').ops;
  const ops = Array.from({ length: 5000 }, () => must(op, 'operation'));
  const group = [{ ...must(transaction, 'transaction'), ops }];
  const bytes = encodeFrame(headerOf(group), group);
  expect(bytes.length).toBeLessThan(50_000);
  expect(decodeFrame(bytes).transactions()).toEqual(group);
});

test('a frame of another version is refused with what to do about it, and not half read', () => {
  const [group] = fc.sample(transactions, { numRuns: 1, seed: 1 });
  const fields = packr.unpack(encodeFrame(headerOf(must(group, 'sample')), must(group, 'sample')));
  for (const [at, value] of [
    [0, 2],
    [0, 'x'],
    [1, 9],
  ] as const) {
    const altered = packr.pack((fields as unknown[]).with(at, value));
    expect(() => decodeFrame(altered)).toThrowError(
      expect.objectContaining({ code: 'LOG_CORRUPT', recovery: 'operator' }),
    );
  }
});
test('damaged bytes are refused as a damaged log, never as some other error', () => {
  fc.assert(
    fc.property(transactions, fc.nat(), fc.nat({ max: 255 }), (group, where, byte) => {
      const bytes = Uint8Array.from(encodeFrame(headerOf(group), group));
      bytes[where % bytes.length] = byte;
      for (const damaged of [bytes, bytes.subarray(0, where % bytes.length)]) {
        try {
          decodeFrame(damaged).transactions();
        } catch (error) {
          expect(error).toMatchObject({ code: 'LOG_CORRUPT' });
        }
      }
    }),
    { numRuns: 150 },
  );
});
