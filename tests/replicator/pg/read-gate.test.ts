import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ReadGate } from '#replicator/pg/read-gate.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function gated(): { readonly gate: ReadGate; readonly paused: () => boolean } {
  let paused = false;
  const gate = new ReadGate({
    pause: () => (paused = true),
    resume: () => (paused = false),
  });
  return { gate, paused: () => paused };
}

function read(gate: ReadGate, times: number, bytes: number): void {
  for (let n = 0; n < times; n += 1) gate.afterRead(bytes);
}

test('a few messages now and then are read at once', () => {
  const { gate, paused } = gated();
  for (let transaction = 0; transaction < 100; transaction += 1) {
    read(gate, 5, 120);
    expect(paused()).toBe(false);
    vi.advanceTimersByTime(4);
  }
});

test('a flood makes reading rest, until the rests bring little', () => {
  const { gate, paused } = gated();
  read(gate, 25, 120);
  expect(paused()).toBe(true);
  vi.advanceTimersByTime(2);
  expect(paused()).toBe(false);
  for (let n = 0; n < 10; n += 1) {
    gate.afterRead(500);
    expect(paused()).toBe(true);
    vi.advanceTimersByTime(2);
  }
  for (let n = 0; n < 3; n += 1) {
    gate.afterRead(120);
    vi.advanceTimersByTime(2);
  }
  gate.afterRead(120);
  expect(paused()).toBe(false);
});

test('a read that was full is followed by another without a rest', () => {
  const { gate, paused } = gated();
  read(gate, 25, 120);
  vi.advanceTimersByTime(2);
  gate.afterRead(65_536);
  expect(paused()).toBe(false);
});

test('a rest that ends does not read for a consumer that is behind', () => {
  const { gate, paused } = gated();
  read(gate, 25, 120);
  gate.setFull(true);
  vi.advanceTimersByTime(2);
  expect(paused()).toBe(true);
  gate.setFull(false);
  expect(paused()).toBe(false);
});

test('closing leaves no timer', () => {
  const { gate } = gated();
  read(gate, 25, 120);
  gate.close();
  read(gate, 25, 120);
  expect(vi.getTimerCount()).toBe(0);
});
