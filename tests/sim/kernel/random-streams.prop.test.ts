import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededStreams } from '#sim/kernel/random-streams.ts';
import { EventQueue } from '#sim/kernel/event-queue.ts';
import { TraceHash } from '#sim/kernel/trace-hash.ts';

test('a draw in one stream does not shift another, whenever it is made', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.constantFrom('a', 'b', 'c')), (seed, others) => {
      const calm = new SeededStreams(seed).stream('net/eu>us');
      const expected = Array.from({ length: 10 }, () => calm.u32());
      const busy = new SeededStreams(seed);
      for (const name of others) busy.stream(name).u32();
      const drawn = Array.from({ length: 10 }, () => {
        for (const name of others) busy.stream(name).uniform();
        return busy.stream('net/eu>us').u32();
      });
      expect(drawn).toEqual(expected);
    }),
  );
});

test('draws are in their ranges and neither seeds nor names repeat each other', () => {
  const firsts = new Set<number>();
  for (let seed = 0; seed < 500; seed++) {
    const random = new SeededStreams(seed).stream('load');
    firsts.add(random.u32());
    firsts.add(new SeededStreams(seed).stream('fault').u32());
    expect(random.uniform()).toBeLessThan(1);
    expect([3, 4, 5]).toContain(random.between(3, 5));
    expect(random.exponential(10)).toBeGreaterThanOrEqual(0);
  }
  expect(firsts.size).toBeGreaterThan(995);
});

test('uniform draws are uniform', () => {
  const random = new SeededStreams(1).stream('load');
  const counts = Array.from({ length: 16 }, () => 0);
  for (let draw = 0; draw < 16_000; draw++) {
    const bucket = Math.floor(random.uniform() * 16);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test('the queue gives events back sorted by time, then by order of asking', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (times) => {
      const queue = new EventQueue();
      const events = times.map((dueUs, order) => ({ dueUs, order }));
      for (const event of events) queue.push(event);
      const popped = events.map(() => queue.pop());
      expect(popped).toEqual(
        events.toSorted((left, right) => left.dueUs - right.dueUs || left.order - right.order),
      );
      expect(queue.pop()).toBeUndefined();
    }),
  );
});

test('the hash is the one that every machine computes', () => {
  const hash = new TraceHash();
  for (const value of [0, -1, 1, 2 ** 31, 2 ** 32, -(2 ** 40), Number.MAX_SAFE_INTEGER]) {
    hash.number(value);
  }
  hash.text('eu.pg.commit');
  hash.text('ü😀');
  expect(hash.digest()).toMatchInlineSnapshot(`"c1552b5b0c6eb890"`);
  expect(() => hash.number(0.5)).toThrow(/integers only/);
});
