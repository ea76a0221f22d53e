import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Lsn } from '#core/lsn.ts';
import { Acker } from '#replicator/pg/acker.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function recording(floor = 0): { readonly acker: Acker; readonly sent: number[] } {
  const sent: number[] = [];
  const send = (update: Buffer): void => {
    const position = Number(update.readBigUInt64BE(1));
    expect([update[0], update.byteLength]).toEqual([0x72, 34]);
    // Written, flushed and applied are one position.
    expect(update.readBigUInt64BE(9)).toBe(BigInt(position));
    expect(update.readBigUInt64BE(17)).toBe(BigInt(position));
    sent.push(position);
  };
  // Far from the moment at which the fake clock starts.
  vi.advanceTimersByTime(1000);
  return { acker: new Acker(floor as Lsn, send), sent };
}

test('the first confirmation goes out at once, later ones are merged', () => {
  const { acker, sent } = recording();
  for (const position of [10, 20, 30]) acker.confirm(position as Lsn);
  expect(sent).toEqual([10]);
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([10, 30]);
});

test('a position never moves backwards, not even below what the slot had', () => {
  const { acker, sent } = recording(50);
  acker.confirm(40 as Lsn);
  acker.beat(true);
  acker.confirm(0x1_0000_0007 as Lsn);
  acker.confirm(60 as Lsn);
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([50, 0x1_0000_0007]);
});

test('closing sends what is unsent, and nothing afterwards', () => {
  const { acker, sent } = recording();
  acker.confirm(10 as Lsn);
  acker.confirm(20 as Lsn);
  acker.close();
  acker.confirm(30 as Lsn);
  acker.beat(true);
  expect(sent).toEqual([10, 20]);
  expect(vi.getTimerCount()).toBe(0);
});
