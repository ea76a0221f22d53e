import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TappedStream } from '#replicator/engine/log/tapped-stream.ts';
import { settled } from '#tests/replicator/engine/manual-time.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';
import type { Fate } from '#tests/replicator/engine/log/memory-stream.ts';

/** What memory holds: two of these frames, with what an entry costs besides. */
const FRAME_BYTES = 50;
const HELD_BYTES = 2 * (FRAME_BYTES + 200);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom<Fate>('stored', 'stored', 'stored', 'lost', 'unanswered'),
  },
  // Another replicator of this region, which does not know that it was taken over.
  { weight: 1, arbitrary: fc.constant('foreign' as const) },
  { weight: 3, arbitrary: fc.constant('pause' as const) },
);

function frame(n: number): Uint8Array {
  return new Uint8Array(FRAME_BYTES).fill(n);
}

/** Appends as a copier does: pipelined, and after a failure from where the stream ends. */
class Writer {
  readonly #stream: TappedStream;
  #position = 0;
  #count = 0;

  constructor(stream: TappedStream) {
    this.#stream = stream;
  }

  async append(): Promise<void> {
    const expectedLast = this.#position;
    this.#position += 1;
    this.#count += 1;
    await this.#stream.append(frame(this.#count), expectedLast).catch(() => this.refresh());
  }

  async refresh(): Promise<void> {
    this.#position = (await this.#stream.lastEntry())?.position ?? 0;
  }
}

test('a reader gets every stored entry once and in order, whoever appended it and whatever became of answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(3), async (steps, before) => {
      const store = new MemoryStream();
      for (let n = 0; n < before; n += 1) store.store(frame(200 + n));
      const tapped = new TappedStream(store, HELD_BYTES);
      const stop = new AbortController();
      const read: (readonly [number, number])[] = [];
      const reading = (async () => {
        for await (const entries of tapped.read(1, stop.signal)) {
          for (const entry of entries) read.push([entry.position, entry.frame[0] ?? 0]);
          // Slower than what comes, now and then.
          if (read.length % 3 === 0) await settled();
        }
      })();
      const writer = new Writer(tapped);
      await writer.refresh();
      for (const now of steps) {
        if (now === 'pause') await settled();
        else if (now === 'foreign') store.store(frame(100));
        else {
          store.fate = () => now;
          await writer.append();
        }
      }
      // The copier's turn after its source fell silent.
      await writer.refresh();
      for (let n = 0; n < 20; n += 1) await settled();
      stop.abort();
      await reading;
      const stored = store.entries.map((entry) => [entry.position, entry.frame[0]]);
      expect(read).toEqual(stored);
    }),
    { numRuns: 300 },
  );
});

test('nothing is handed over before the store has it, and what is, without asking the store', async () => {
  const store = new MemoryStream();
  const tapped = new TappedStream(store);
  const stop = new AbortController();
  const read: number[] = [];
  let storeReads = 0;
  const readStore = store.read.bind(store);
  store.read = (position, signal) => {
    storeReads += 1;
    return readStore(position, signal);
  };
  await tapped.append(frame(1), 0);
  const reading = (async () => {
    for await (const entries of tapped.read(1, stop.signal)) {
      for (const { position } of entries) read.push(position);
    }
  })();
  await settled();
  expect(read).toEqual([1]);
  const gate = Promise.withResolvers<void>();
  const append = store.append.bind(store);
  store.append = async (bytes, expectedLast) => {
    await gate.promise;
    return append(bytes, expectedLast);
  };
  const appending = tapped.append(frame(2), 1);
  await settled();
  expect(read).toEqual([1]);
  gate.resolve();
  await appending;
  await settled();
  expect(read).toEqual([1, 2]);
  expect(storeReads).toBe(0);
  stop.abort();
  await reading;
});
