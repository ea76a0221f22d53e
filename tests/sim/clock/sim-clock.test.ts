import { expect, test } from 'vitest';
import { Kernel } from '#sim/kernel/kernel.ts';
import { DEFAULT_EPOCH_US, SimClock } from '#sim/clock/sim-clock.ts';
import { SimTimers } from '#sim/clock/sim-timers.ts';

const SECOND = 1_000_000;

test('a wall clock is off, drifts and jumps; monotonic time only drifts', async () => {
  const kernel = new Kernel({ seed: 1 });
  const clock = new SimClock(kernel, DEFAULT_EPOCH_US, 3000);
  expect(clock.wallUs()).toBe(DEFAULT_EPOCH_US + 3000);
  clock.drift(100_000);
  await kernel.run(10 * SECOND);
  expect(clock.errorUs()).toBe(SECOND + 3000);
  expect(clock.monotonicMs()).toBe(11_000);
  clock.drift(0);
  clock.jump(-3600 * SECOND);
  await kernel.run(20 * SECOND);
  expect(clock.errorUs()).toBe(SECOND + 3000 - 3600 * SECOND);
  expect(clock.monotonicMs()).toBe(21_000);
});

test('timers wake in virtual time, at once when aborted, and die with their process', async () => {
  const kernel = new Kernel({ seed: 1 });
  const process = kernel.spawn('eu');
  const timers = new SimTimers(process);
  const seen: string[] = [];
  const abort = new AbortController();
  const note = (name: string) => (): void => void seen.push(`${name} ${kernel.nowUs() / 1000}`);
  void timers.sleep(500).then(note('slept'));
  void timers.sleep(900, abort.signal).then(note('aborted'));
  const stop = timers.every(200, note('tick'));
  kernel.after(700_000, () => abort.abort());
  kernel.after(750_000, stop);
  void timers.sleep(2000).then(note('late'));
  kernel.after(SECOND, () => process.kill());
  await kernel.run(10 * SECOND);
  expect(seen).toEqual(['tick 200', 'tick 400', 'slept 500', 'tick 600', 'aborted 700']);
});
