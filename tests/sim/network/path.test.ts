import { expect, test } from 'vitest';
import { Kernel } from '#sim/kernel/kernel.ts';
import { Network } from '#sim/network/network.ts';
import type { Path } from '#sim/network/path.ts';
import { Wire } from '#sim/network/wire.ts';

const SECOND = 1_000_000;

interface Line {
  readonly kernel: Kernel;
  readonly path: Path;
  /** When each message arrived, in milliseconds. */
  readonly arrivals: (readonly [message: number, atMs: number])[];
  readonly send: (message: number, bytes?: number) => void;
}

function line({ jitterUs = 0, bytesPerSecond = null as number | null } = {}): Line {
  const kernel = new Kernel({ seed: 1 });
  const profile = { latencyUs: 40_000, jitterUs, bytesPerSecond };
  const profiles = new Map([['eu>us', profile]]);
  const network = new Network({ scheduler: kernel, streams: kernel.streams, profiles });
  const wire = new Wire(network.path('eu', 'us'), kernel.spawn('us'));
  const arrivals: (readonly [number, number])[] = [];
  const send = (message: number, bytes = 0): void =>
    wire.send(bytes, () => arrivals.push([message, Math.round(kernel.nowUs() / 1000)]));
  return { kernel, path: network.path('eu', 'us'), arrivals, send };
}

test('a message takes the latency, whatever the other direction does', async () => {
  const { kernel, arrivals, send } = line();
  send(1);
  await kernel.run(SECOND);
  expect(arrivals).toEqual([[1, 40]]);
});

test('one connection never reorders, however much each message is delayed', async () => {
  const { kernel, path, arrivals, send } = line({ jitterUs: 20_000 });
  path.lose(0.2);
  for (let message = 0; message < 200; message++) kernel.after(message * 1000, () => send(message));
  await kernel.run(1000 * SECOND);
  expect(arrivals.map(([message]) => message)).toEqual(Array.from({ length: 200 }, (_, at) => at));
  expect(arrivals.at(-1)?.[1]).toBeGreaterThan(400);
});

test('what is jammed comes at once at the end, what is stopped with the next retransmission', async () => {
  const { kernel, path, arrivals, send } = line();
  const release = path.jam();
  send(1);
  send(2);
  kernel.after(SECOND, release);
  await kernel.run(2 * SECOND);
  expect(arrivals).toEqual([
    [1, 1040],
    [2, 1040],
  ]);
  const heal = path.stop();
  const overlapping = path.stop();
  send(3);
  kernel.after(SECOND, heal);
  kernel.after(2 * SECOND, overlapping);
  await kernel.run(10 * SECOND);
  expect(arrivals[2]?.[1]).toBeGreaterThanOrEqual(4040);
  expect(arrivals[2]?.[1]).toBeLessThanOrEqual(6040);
});

test('a narrow path sends one message after the other', async () => {
  const { kernel, arrivals, send } = line({ bytesPerSecond: 100_000 });
  send(1, 9_900);
  send(2, 9_900);
  await kernel.run(SECOND);
  expect(arrivals).toEqual([
    [1, 140],
    [2, 240],
  ]);
});

test('a slowdown ends where it was begun', async () => {
  const { kernel, path, arrivals, send } = line();
  const end = path.slow(500_000, 0);
  send(1);
  kernel.after(SECOND, () => {
    end();
    send(2);
  });
  await kernel.run(2 * SECOND);
  expect(arrivals).toEqual([
    [1, 540],
    [2, 1040],
  ]);
});
