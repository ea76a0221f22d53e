import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OwnRecord } from '#replicator/engine/log/framing.ts';
import { decodeFrame } from '#replicator/engine/log/frame.ts';
import type { Fate } from '#tests/replicator/engine/log/memory-stream.ts';
import { ownHeartbeat, ownRecord } from '#tests/replicator/engine/log/own-records.ts';
import { PublisherBench, shows } from '#tests/replicator/engine/log/publisher-bench.ts';

const FIRST_XID = 4_294_967_000;

/** What happens next: capture hands something over, a commit becomes visible, time passes. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), hidden: fc.boolean() }),
  },
  fc.record({ kind: fc.constant('large' as const), parts: fc.integer({ min: 2, max: 4 }) }),
  fc.record({ kind: fc.constant('heartbeat' as const) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('show' as const), pick: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat({ max: 800 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const fates = fc.infiniteStream(
  fc.constantFrom<Fate>('stored', 'stored', 'stored', 'stored', 'full', 'lost', 'unanswered'),
);

class Origin {
  readonly #bench: PublisherBench;
  sequence = 0;
  #beats = 0;

  constructor(bench: PublisherBench) {
    this.#bench = bench;
    bench.xmax = FIRST_XID;
  }

  do(now: Step): void {
    const { hidden } = this.#bench;
    if (now.kind === 'heartbeat') {
      this.#beats++;
      this.#bench.enqueue(ownHeartbeat(this.sequence, this.#beats % 19));
    }
    if (now.kind === 'show') {
      const waiting = [...hidden];
      hidden.delete(waiting[now.pick % Math.max(waiting.length, 1)] ?? 0);
    }
    if (now.kind !== 'commit' && now.kind !== 'large') return;
    this.sequence++;
    this.#beats = 0;
    const xid = this.#bench.xmax++;
    if (now.kind === 'commit' && now.hidden) hidden.add(xid);
    this.#bench.enqueue(...records(this.sequence, xid, now.kind === 'large' ? now.parts : 0));
  }
}

function records(sequence: number, xid: number, parts: number): readonly OwnRecord[] {
  if (parts === 0) return [ownRecord(sequence, xid)];
  return Array.from({ length: parts }, (_, at) =>
    ownRecord(sequence, xid, { part: at + 1, last: at + 1 === parts }),
  );
}

function ascending(values: readonly number[]): void {
  expect(values).toEqual([...values].toSorted((left, right) => left - right));
}

test('whatever the log answers and whenever commits show: in order, all, once, none before it is visible, confirmed late enough', async () => {
  const trail = fc.constantFrom(0, 300);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fates,
      trail,
      async (steps, fate, trailMs) => {
        const bench = new PublisherBench({ trailMs });
        const origin = new Origin(bench);
        const storedMs = new Map<number, number>();
        bench.stream.fate = (frame) => {
          const { header } = decodeFrame(frame);
          for (let n = header.firstSequence; n <= header.lastSequence; n++) {
            if (header.kind !== 'heartbeat') expect(shows(bench, FIRST_XID + n - 1)).toBe(true);
          }
          const outcome = fate.next().value ?? 'stored';
          const kept = outcome === 'stored' || outcome === 'unanswered';
          if (kept) storedMs.set(header.endLsn, bench.time.monotonicMs());
          return outcome;
        };
        for (const now of steps) {
          origin.do(now);
          await bench.time.pass(now.kind === 'pass' ? now.ms : 0);
        }
        bench.hidden.clear();
        bench.stream.fate = (frame) => {
          storedMs.set(decodeFrame(frame).header.endLsn, bench.time.monotonicMs());
          return 'stored';
        };
        await bench.time.pass(5000);
        await bench.end();
        expect(bench.failure).toBeNull();
        expect(bench.publisher.queuedBytes).toBe(0);
        const sequences = [...new Set(bench.sequences())];
        expect(sequences).toEqual(Array.from({ length: origin.sequence }, (_, at) => at + 1));
        const places = bench.headers().map((h) => `${h.lastSequence} ${h.endLsn} ${h.part}`);
        expect(new Set(places).size).toBe(places.length);
        ascending(bench.headers().map((h) => h.lastSequence * 1e6 + h.endLsn * 10 + h.part));
        ascending(bench.durable.map((h) => h.endLsn));
        ascending(bench.confirmed.map((c) => c.endLsn));
        for (const { endLsn, atMs } of bench.confirmed) {
          expect(atMs - (storedMs.get(endLsn) ?? Infinity)).toBeGreaterThanOrEqual(trailMs);
        }
      },
    ),
    { numRuns: 200 },
  );
});
