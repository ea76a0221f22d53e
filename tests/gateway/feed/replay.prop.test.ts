import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDot } from '#core/transaction.ts';
import { covers, EMPTY_VECTOR, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import type { RegionId } from '#core/region.ts';
import type { LogStream } from '#replicator/engine/log-port.ts';
import { CursorExpired, replay } from '#gateway/feed/replay.ts';
import { LoggedHistory, REGIONS } from '#tests/gateway/feed/logged-history.ts';

const BYTES_MAX = 1_000_000;

const step = fc.tuple(fc.constantFrom('write', 'write', 'apply'), fc.nat(2), fc.nat(2));

function historyOf(steps: readonly (readonly [string, number, number])[]): LoggedHistory {
  const history = new LoggedHistory();
  for (const [kind, left, right] of steps) {
    const [region, other] = [REGIONS[left], REGIONS[right]];
    if (region === undefined || other === undefined) continue;
    if (kind === 'write') history.write(region);
    else history.apply(region, other);
  }
  return history;
}

function streamsOf(history: LoggedHistory): (origin: RegionId) => Promise<LogStream> {
  const logs = new Map(REGIONS.map((region) => [region, history.log(region)]));
  return (origin) => Promise.resolve(logs.get(origin) ?? history.log(origin));
}

async function replayed(history: LoggedHistory, cursor: VersionVector, until: VersionVector) {
  const releases = [];
  const { signal } = new AbortController();
  for await (const release of replay(streamsOf(history), cursor, until, BYTES_MAX, signal)) {
    releases.push(release);
  }
  return releases;
}

test('a cursor of one region is replayed in another: nothing missing, nothing twice, causes first', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.nat(40),
      fc.nat(2),
      async (steps, cut, at) => {
        const history = historyOf(steps);
        const region = REGIONS[at] ?? REGIONS[0];
        // Where a client stood in some region at some moment.
        const cursor =
          region === undefined ? EMPTY_VECTOR : historyOf(steps.slice(0, cut)).seen(region);
        const until = REGIONS.map((r) => history.seen(r)).reduce((all, seen) => {
          return new Map([...all, ...[...seen].filter(([r, n]) => n > sequenceOf(all, r))]);
        }, EMPTY_VECTOR);
        const releases = await replayed(history, cursor, until);
        const expected = history.transactions
          .filter(({ replica, sequence }) => sequence > sequenceOf(cursor, replica))
          .map(formatDot);
        const dots = releases.map(({ transaction }) => formatDot(transaction.header));
        expect(dots.toSorted()).toEqual(expected.toSorted());
        let before = cursor;
        for (const { transaction, cursor: after } of releases) {
          expect(covers(before, transaction.header.deps)).toBe(true);
          before = after;
        }
        expect(covers(before, until)).toBe(true);
      },
    ),
  );
});

test('a cursor before what the log still holds is refused, one exactly at it is not', async () => {
  const history = new LoggedHistory();
  const eu = REGIONS[0];
  if (eu === undefined) throw new RangeError('no region');
  for (let i = 0; i < 6; i++) history.write(eu);
  const log = history.log(eu);
  await log.trim(4);
  const streams = (): Promise<LogStream> => Promise.resolve(log);
  const until = history.seen(eu);
  const read = async (after: number): Promise<number> => {
    let count = 0;
    const cursor = new Map([[LoggedHistory.replica(eu), after]]);
    const { signal } = new AbortController();
    for await (const _ of replay(streams, cursor, until, BYTES_MAX, signal)) count++;
    return count;
  };
  await expect(read(2)).rejects.toThrow(CursorExpired);
  expect(await read(3)).toBe(3);
  expect(await read(6)).toBe(0);
});
