import { expect, test } from 'vitest';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { EU, SimNatsWorld } from '#tests/sim/nats/sim-nats-subject.ts';

const bytes = (number: number): Uint8Array => Uint8Array.of(number);

test('a power cut takes what was acknowledged and not yet synced, and only that', async () => {
  const world = new SimNatsWorld({ syncIntervalUs: 1_000_000 });
  const { value } = await world.within(async () => {
    const stream = await world.stream();
    for (let at = 0; at < 35; at++) {
      await stream.append(bytes(at), at);
      await world.sleep(100);
    }
    world.server.losePower(Infinity);
    world.server.start();
    await world.sleep(300);
    return stream.bounds();
  });
  expect(value.first).toBe(1);
  expect(value.last).toBeGreaterThanOrEqual(25);
  expect(value.last).toBeLessThan(35);
});

test('with sync_interval always a power cut takes nothing', async () => {
  const world = new SimNatsWorld({ syncIntervalUs: 0 });
  const { value } = await world.within(async () => {
    const stream = await world.stream();
    await stream.append(bytes(1), 0);
    world.server.losePower(Infinity);
    world.server.start();
    await world.sleep(300);
    return stream.bounds();
  });
  expect(value.last).toBe(1);
});

test('an append whose answer is lost is stored, and its outcome unknown to the sender', async () => {
  const world = new SimNatsWorld();
  const { value } = await world.within(async () => {
    const stream = await world.stream();
    const restore = world.server.loseReplies(1);
    const outcome = await codeOf(stream.append(bytes(1), 0));
    restore();
    return { outcome, last: (await stream.bounds()).last };
  });
  expect(value).toEqual({ outcome: 'LOG_UNREACHABLE', last: 1 });
});

test('a full server refuses, a silent one lets the sender wait, one without a leader neither', async () => {
  const world = new SimNatsWorld();
  const { value } = await world.within(async () => {
    const stream = await world.stream();
    const outcomes = [];
    for (const fault of [
      () => world.server.full(),
      () => world.server.full(true),
      () => world.server.leaderless(),
    ]) {
      const end = fault();
      outcomes.push(await codeOf(stream.append(bytes(1), 0)));
      end();
      await stream.lastEntry();
    }
    return { outcomes, next: await stream.append(bytes(1), 0) };
  });
  expect(value.outcomes).toEqual(['LOG_FULL', 'LOG_UNREACHABLE', 'LOG_UNREACHABLE']);
  expect(value.next).toBe(1);
});

test('lost deliveries are asked for again: no gap, no repeat', async () => {
  const world = new SimNatsWorld();
  world.server.loseDeliveries(0.3);
  const { value } = await world.within(async () => {
    const [writer, reader] = [await world.stream(), await world.stream()];
    const reading = positions(reader, 60);
    for (let at = 0; at < 60; at++) {
      await writer.append(bytes(at), at);
      await world.sleep(20);
    }
    return reading;
  });
  expect(value).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
});

test('behind a cut a connection ends after two to three pings of silence, and comes back', async () => {
  const world = new SimNatsWorld();
  const { value } = await world.within(async () => {
    const store = await world.client();
    const stream = await world.stream();
    await stream.append(bytes(1), 0);
    const cutAtUs = world.kernel.nowUs();
    const heal = world.network.path(EU, EU).stop();
    let silentUs = 0;
    for (; store.connected(); silentUs = world.kernel.nowUs() - cutAtUs) await world.sleep(10);
    heal();
    await world.sleep(3000);
    return { silentUs, back: store.connected(), last: (await stream.bounds()).last };
  });
  expect(value.silentUs).toBeGreaterThan(1_000_000);
  expect(value.silentUs).toBeLessThan(2_000_000);
  expect(value).toMatchObject({ back: true, last: 1 });
});

test('a frozen server answers when it goes on', async () => {
  const world = new SimNatsWorld();
  const { value } = await world.within(async () => {
    const stream = await world.stream();
    world.server.process?.freeze();
    const began = world.kernel.nowUs();
    world.kernel.after(400_000, () => world.server.process?.thaw());
    await stream.append(bytes(1), 0);
    return world.kernel.nowUs() - began;
  });
  expect(value).toBeGreaterThan(400_000);
  expect(value).toBeLessThan(500_000);
});

async function positions(stream: LogStream, last: number): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const entries of stream.read(1, new AbortController().signal)) {
    for (const { position } of entries) found.push(position);
    if (found.at(-1) === last) break;
  }
  return found;
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'stored',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}
