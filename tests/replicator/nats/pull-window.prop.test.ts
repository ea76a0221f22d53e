import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PullWindow } from '#replicator/nats/pull-window.ts';
import type { PullRequest } from '#replicator/nats/pull-window.ts';

const MESSAGE_MAX = 1_000;

/** What a server does with its requests and a reader with its entries, in any order. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('deliver' as const),
    bytes: fc.integer({ min: 1, max: MESSAGE_MAX }),
  }),
  fc.record({ kind: fc.constant('expire' as const), which: fc.nat(10) }),
  fc.record({ kind: fc.constant('take' as const) }),
);

test('granted and held never exceed the bounds, and it never gets stuck', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 500, max: 20_000 }),
      fc.integer({ min: 1, max: 40 }),
      fc.array(step),
      check,
    ),
  );
});

function check(
  bytesMax: number,
  entriesMax: number,
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): void {
  const window = new PullWindow({ bytesMax, entriesMax, messageBytesMax: MESSAGE_MAX });
  let requests: (PullRequest & { bytesLeft: number; entriesLeft: number })[] = [];
  let held = { bytes: 0, entries: 0 };
  const refill = (): void => {
    for (const request of window.refill()) {
      requests.push({ ...request, bytesLeft: request.bytes, entriesLeft: request.entries });
    }
  };
  refill();
  for (const event of steps) {
    if (event.kind === 'take') {
      window.released(held.bytes, held.entries);
      held = { bytes: 0, entries: 0 };
    } else if (event.kind === 'expire') {
      const [gone] = requests.splice(event.which, 1);
      if (gone !== undefined) window.ended(gone.slot, gone.request);
    } else {
      // A request without room for the next message is ended by the server.
      for (const small of requests.filter((request) => request.bytesLeft < event.bytes)) {
        window.ended(small.slot, small.request);
      }
      requests = requests.filter((request) => request.bytesLeft >= event.bytes);
      const [request] = requests;
      if (request !== undefined) {
        request.bytesLeft -= event.bytes;
        request.entriesLeft -= 1;
        held = { bytes: held.bytes + event.bytes, entries: held.entries + 1 };
        const usedUp = window.delivered(request.slot, event.bytes);
        expect(usedUp).toBe(request.entriesLeft === 0);
        if (usedUp) requests = requests.filter((other) => other !== request);
      }
    }
    refill();
    expect(window.open).toBe(requests.length > 0);
    const bytes = requests.reduce((sum, request) => sum + request.bytesLeft, held.bytes);
    const entries = requests.reduce((sum, request) => sum + request.entriesLeft, held.entries);
    expect(bytes).toBeLessThanOrEqual(Math.max(bytesMax, MESSAGE_MAX));
    expect(entries).toBeLessThanOrEqual(entriesMax);
    if (held.entries === 0) expect(requests.length).toBeGreaterThan(0);
  }
}
