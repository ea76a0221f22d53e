import fc from 'fast-check';
import { expect, test } from 'vitest';
import { firstBeyond, positionAfter } from '#replicator/engine/log/frame-search.ts';
import { frameRecords } from '#replicator/engine/log/framing.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';
import { ownRecord } from '#tests/replicator/engine/log/own-records.ts';

function streamOf(sizes: readonly number[], trimmed: number): MemoryStream {
  const stream = new MemoryStream();
  let sequence = 0;
  for (const size of sizes) {
    const records = Array.from({ length: size }, () => ownRecord(++sequence));
    for (const { bytes } of frameRecords(records)) stream.store(bytes);
  }
  stream.entries.splice(0, trimmed);
  return stream;
}

test('reading after a sequence begins with the frame that holds the next one', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 40 }), fc.nat({ max: 4 }), async (all, after, cut) => {
      const stream = streamOf(all, cut);
      let last = 0;
      const ends = all.map((size) => (last += size));
      const expected = ends.findIndex((end, at) => at >= cut && end > after);
      const found = await positionAfter(stream, after);
      expect(found).toBe(expected < 0 ? all.length + 1 : expected + 1);
    }),
  );
});

test('a guess of where that is changes how it is found, never what', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 40 }), fc.nat({ max: 15 }), async (all, after, hint) => {
      const stream = streamOf(all, 0);
      const beyond = ({ lastSequence }: { readonly lastSequence: number }) => lastSequence > after;
      expect(await firstBeyond(stream, beyond, hint)).toBe(await firstBeyond(stream, beyond));
    }),
  );
});

test('a hole in the stream is answered for by what follows it', async () => {
  const stream = streamOf([1, 1, 1, 1, 1, 1], 0);
  stream.entries.splice(2, 2);
  const found = await firstBeyond(stream, ({ lastSequence }) => lastSequence > 4);
  const behind = stream.entries.filter(({ position }) => position >= found);
  expect(behind.map(({ position }) => position)).toEqual([5, 6]);
  expect(await firstBeyond(stream, ({ lastSequence }) => lastSequence > 6)).toBe(7);
});
