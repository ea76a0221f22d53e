import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Kernel } from '#sim/kernel/kernel.ts';
import type { RunEnd } from '#sim/kernel/kernel.ts';
import { describeDifference, runTwice } from '#sim/kernel/double-run.ts';

const SECOND = 1_000_000;

test('events happen in order of time, and at one instant in the order of asking', async () => {
  const kernel = new Kernel({ seed: 1 });
  const seen: string[] = [];
  kernel.after(20, () => seen.push('later'));
  for (let at = 0; at < 100; at++) kernel.after(10, () => seen.push(String(at)));
  const end = await kernel.run(SECOND);
  expect(seen).toEqual([...Array.from({ length: 100 }, (_, at) => String(at)), 'later']);
  expect(end).toMatchObject({ timeUs: SECOND, events: 101, findings: [] });
});

test('all that follows from an event happens before the next, however many promises it takes', async () => {
  const kernel = new Kernel({ seed: 1 });
  let steps = 0;
  kernel.after(10, () => {
    void (async () => {
      for (let at = 0; at < 1000; at++) await Promise.resolve().then(() => undefined);
      steps = 1000;
    })();
  });
  kernel.after(10, () => expect(steps).toBe(1000));
  expect((await kernel.run(SECOND)).findings).toEqual([]);
});

test('killed while a request is under way: the effect happens once, nobody hears of it', async () => {
  const kernel = new Kernel({ seed: 1 });
  const process = kernel.spawn('eu');
  let effects = 0;
  let heard = 0;
  let cleaned = 0;
  void (async () => {
    try {
      await process.ask<void>('pg.commit', 100, (answer) => {
        effects++;
        answer.resolve(undefined, 100);
      });
      heard++;
    } finally {
      cleaned++;
    }
  })();
  process.after(500, () => heard++);
  kernel.after(50, () => process.kill());
  await kernel.run(SECOND);
  expect({ effects, heard, cleaned }).toEqual({ effects: 1, heard: 0, cleaned: 0 });
});

test('the dead ask for nothing more, their successors are not touched', async () => {
  const kernel = new Kernel({ seed: 1 });
  const dead = kernel.spawn('eu');
  let effects = 0;
  kernel.after(10, () => {
    dead.kill();
    void dead.ask<void>('pg.commit', 1, () => effects++);
    dead.after(1, () => effects++);
    const next = kernel.spawn('eu');
    expect(next.incarnation).toBe(2);
    void next
      .ask<number>('pg.commit', 1, (answer) => answer.resolve(7, 1))
      .then((value) => {
        effects += value;
      });
  });
  await kernel.run(SECOND);
  expect(effects).toBe(7);
});

test('a crash can fall before a call, between effect and reply, and behind the reply', async () => {
  const outcomes = [];
  for (const stage of ['before', 'effect', 'reply'] as const) {
    const kernel = new Kernel({ seed: 1 });
    const process = kernel.spawn('eu');
    const seen: string[] = [];
    kernel.onPortCall((caller, call) => {
      if (call.number === 1 && call.stage === stage) caller.kill();
    });
    kernel.after(0, () => {
      void (async () => {
        await process.ask<void>('one', 5, (answer) => {
          seen.push('effect');
          answer.resolve(undefined, 5);
        });
        seen.push('heard');
        await process.ask<void>('two', 5, () => seen.push('second'));
      })();
    });
    await kernel.run(SECOND);
    outcomes.push(seen);
  }
  // The second request was on its way when the process died behind the first reply.
  expect(outcomes).toEqual([[], ['effect'], ['effect', 'heard', 'second']]);
});

test('a frozen process hears everything at once when it is thawed, timers in due order', async () => {
  const kernel = new Kernel({ seed: 1 });
  const process = kernel.spawn('eu');
  const seen: (readonly [string, number])[] = [];
  const note = (name: string) => (): void => void seen.push([name, kernel.nowUs()]);
  process.after(300, note('late'));
  process.after(200, note('early'));
  const cancel = process.after(250, note('cancelled'));
  kernel.after(100, () => process.freeze());
  kernel.after(1000, () => {
    cancel();
    process.thaw();
  });
  await kernel.run(SECOND);
  expect(seen).toEqual([
    ['early', 1000],
    ['late', 1000],
  ]);
});

test('a loop that lets no time pass is found', async () => {
  const kernel = new Kernel({ seed: 1 });
  const process = kernel.spawn('eu');
  const again = (): void => void process.after(0, again);
  again();
  const { findings } = await kernel.run(SECOND);
  expect(findings).toMatchObject([{ kind: 'livelock', process: 'eu' }]);
});

test('what leaves virtual time is named with its line', async () => {
  const escapes: readonly (() => unknown)[] = [
    () => setTimeout(() => undefined, 1),
    () => Date.now(),
    () => Math.random(),
    () => crypto.subtle.digest('SHA-256', new Uint8Array(8)),
    () => AbortSignal.timeout(1),
  ];
  for (const escape of escapes) {
    const kernel = new Kernel({ seed: 1 });
    kernel.spawn('eu').after(10, () => void escape());
    const { findings } = await kernel.run(SECOND);
    expect(findings, String(escape)).toHaveLength(1);
    expect(findings[0]?.message).toMatch(/kernel\.test\.ts:\d+/);
  }
  expect(() => Date.now()).not.toThrow();
});

test('what compresses at once escapes nothing', async () => {
  const kernel = new Kernel({ seed: 1 });
  kernel.spawn('eu').after(10, () => {
    zstdDecompressSync(zstdCompressSync(Buffer.alloc(10_000)));
  });
  expect((await kernel.run(SECOND)).findings).toEqual([]);
});

test('a process whose error nobody catches dies, and the run says so', async () => {
  for (const fail of [throws, rejects]) {
    const kernel = new Kernel({ seed: 1 });
    const process = kernel.spawn('eu');
    process.after(10, fail);
    const { findings } = await kernel.run(SECOND);
    expect(findings).toMatchObject([{ kind: 'crash', process: 'eu', atUs: 10 }]);
    expect(findings[0]?.message).toContain('nobody catches this');
    expect(process.alive).toBe(false);
  }
});

function throws(): never {
  throw new Error('nobody catches this');
}

function rejects(): void {
  void Promise.reject(new Error('nobody catches this'));
}

test('a point calls who waits for it, exactly there', async () => {
  const kernel = new Kernel({ seed: 1 });
  const process = kernel.spawn('eu');
  const seen: number[] = [];
  const stop = kernel.trace.on('eu.commit', ({ fields }) => {
    if (fields['count'] !== 2) return;
    process.kill();
    stop();
  });
  for (let count = 1; count <= 3; count++) {
    process.after(count * 10, () => {
      kernel.trace.point('eu.commit', { count });
      seen.push(count);
    });
  }
  await kernel.run(SECOND);
  expect(seen).toEqual([1, 2]);
});

test('the same seed gives the same hash, another one another, and a difference is shown', async () => {
  const world = async (seed: number, extra = 0): Promise<RunEnd & { entries: Kernel['trace'] }> => {
    const kernel = new Kernel({ seed, keepTrace: true });
    const random = kernel.streams.stream('load');
    const tick = (left: number): void => {
      kernel.trace.point('tick', { left, drawn: random.u32() + (left === 5 ? extra : 0) });
      if (left > 0) kernel.after(random.between(1, 1000), () => tick(left - 1));
    };
    tick(10);
    return { ...(await kernel.run(SECOND)), entries: kernel.trace };
  };
  const [one, again, other] = [await world(7), await world(7), await world(8)];
  expect(one.hash).toBe(again.hash);
  expect(one.hash).not.toBe(other.hash);
  let runs = 0;
  const result = await runTwice(async () => {
    const end = await world(7, runs++);
    return { end, entries: end.entries.entries };
  });
  expect(result).toMatchObject({ kind: 'different', at: 5 });
  expect(describeDifference(result)).toMatch(/^first .*left=5/m);
});
