import { expect, test } from 'vitest';
import { Signal } from '#replicator/engine/signal.ts';
import { settled } from '#tests/replicator/engine/manual-time.ts';

function waitOn(signal: Signal, abort = new AbortController()) {
  const state = { done: false, abort };
  void signal.wait(abort.signal).then(() => (state.done = true));
  return state;
}

test('a waiter wakes at the next raise, and not before', async () => {
  const signal = new Signal();
  const waiter = waitOn(signal);
  await settled();
  expect(waiter.done).toBe(false);
  signal.raise();
  await settled();
  expect(waiter.done).toBe(true);
});

test('a raise that came while nobody waited is kept, once', async () => {
  const signal = new Signal();
  signal.raise();
  signal.raise();
  const first = waitOn(signal);
  await settled();
  expect(first.done).toBe(true);
  const second = waitOn(signal);
  await settled();
  expect(second.done).toBe(false);
  second.abort.abort();
});

test('an abort ends the wait, also one that came before it', async () => {
  const signal = new Signal();
  const waiter = waitOn(signal);
  waiter.abort.abort();
  await settled();
  expect(waiter.done).toBe(true);
  const late = waitOn(signal, waiter.abort);
  await settled();
  expect(late.done).toBe(true);
});

test('looking and then waiting misses nothing, however raises and looks interleave', async () => {
  const signal = new Signal();
  const queue: number[] = [];
  const seen: number[] = [];
  const stop = new AbortController();
  const consumer = (async () => {
    while (seen.length < 50) {
      const next = queue.shift();
      if (next === undefined) await signal.wait(stop.signal);
      else seen.push(next);
    }
  })();
  for (let at = 0; at < 50; at++) {
    queue.push(at);
    signal.raise();
    for (let ticks = at % 4; ticks > 0; ticks--) await Promise.resolve();
  }
  await consumer;
  expect(seen).toHaveLength(50);
});
