import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { must } from '#core/assert.ts';
import type { Hlc } from '#core/hlc.ts';
import type { ReplicaId } from '#core/region.ts';
import { relationId } from '#core/relation.ts';
import { formatDot, WHOLE } from '#core/transaction.ts';
import type { ChangeTransaction } from '#core/transaction.ts';
import { EMPTY_VECTOR } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { ConflictBuffer } from '#replicator/engine/apply/conflict-buffer.ts';
import { Quarantine } from '#replicator/engine/apply/quarantine.ts';
import { Spill } from '#replicator/engine/index/spill.ts';
import { UnstableIndex } from '#replicator/engine/index/unstable-index.ts';
import { frameRecords, ownTransactionRecord } from '#replicator/engine/log/framing.ts';
import { rebuildIndex } from '#replicator/engine/region/rebuild.ts';
import {
  chooser,
  COLUMNS,
  draws,
  keyOf,
  MEMBERS,
  playRegions,
  REPLICAS,
  TABLE,
} from '#tests/conflict/region-histories.ts';
import { OWN } from '#tests/replicator/engine/index/replayed-region.ts';
import { SpillSession } from '#tests/replicator/engine/index/spill-session.ts';
import { MemoryStream } from '#tests/replicator/engine/log/memory-stream.ts';

const KEYS = [0, 1, 2, 3].map(keyOf);
const SETTINGS = { id: 1, tables: {}, clockOffsetUs: 0 };

function streams(history: readonly ChangeTransaction[], choose: (count: number) => number) {
  return new Map(
    MEMBERS.map((region, at) => {
      const stream = new MemoryStream();
      const own = history.filter(({ replica }) => replica === REPLICAS[at]);
      const replica = must(REPLICAS[at], 'replica');
      const state = {
        replica,
        sequence: 0,
        hlc: 0 as Hlc,
        vector: EMPTY_VECTOR,
        settings: SETTINGS,
      };
      while (own.length > 0) {
        const group = own.splice(0, 1 + choose(3));
        const records = group.map((t) => ownTransactionRecord(t, WHOLE, 1, state));
        for (const { bytes } of frameRecords(records)) stream.store(bytes);
      }
      return [region, stream];
    }),
  );
}

async function rebuilt(logs: ReturnType<typeof streams>, applied: VersionVector, maxKeys: number) {
  const index = new UnstableIndex(OWN);
  const spill = new Spill(index, new SpillSession(), 'owner', maxKeys, () => IGNORE_CONFLICTS);
  const stable = EMPTY_VECTOR;
  const sources = { own: OWN, streams: logs, foldFrom: stable, stable, applied };
  const { signal } = new AbortController();
  await rebuildIndex(
    index,
    { spill, quarantine: new Quarantine(), orphans: { watch: () => undefined } },
    sources,
    new ConflictBuffer(),
    signal,
  );
  const dirty = index
    .dirtyKeys(99)
    .map(({ key }) => key)
    .toSorted();
  await spill.load(KEYS.map((key) => ({ relation: TABLE, key })));
  const rows = KEYS.map((key) => {
    const state = index.state(relationId(TABLE), key);
    return [key, state.alive(), state.image(COLUMNS), state.latest.map(formatDot).toSorted()];
  });
  return { dirty, rows };
}

/** What was applied when the replicator ended: all own commits, and some prefix of the others'. */
function prefix(
  history: readonly ChangeTransaction[],
  cut: number,
): ReadonlyMap<ReplicaId, number> {
  const applied = new Map<ReplicaId, number>();
  for (const { replica, sequence } of history.slice(0, cut)) applied.set(replica, sequence);
  for (const { replica, sequence, deps } of history) {
    if (replica !== OWN) continue;
    applied.set(replica, sequence);
    for (const [other, n] of deps) applied.set(other, Math.max(applied.get(other) ?? 0, n));
  }
  return applied;
}

test('a rebuilt index holds what was applied, and every row where own and remote writes were concurrent is dirty', async () => {
  await fc.assert(
    fc.asyncProperty(
      draws(4, 40),
      fc.infiniteStream(fc.nat()),
      fc.nat(),
      async (steps, numbers, cut) => {
        const history = playRegions(steps);
        const applied = prefix(history, cut % (history.length + 1));
        const known = history.filter((t) => t.sequence <= (applied.get(t.replica) ?? 0));
        const { dirty } = await rebuilt(streams(history, chooser(numbers)), applied, 1000);
        const apart = KEYS.filter((key) =>
          known.some(
            (own) =>
              own.replica === OWN &&
              own.ops.some((op) => op.kind !== 'truncate' && op.key === key) &&
              known.some(
                (other) =>
                  other.replica !== OWN &&
                  other.ops.some((op) => op.kind !== 'truncate' && op.key === key) &&
                  (own.deps.get(other.replica) ?? 0) < other.sequence &&
                  (other.deps.get(OWN) ?? 0) < own.sequence,
              ),
          ),
        );
        expect(dirty).toEqual(expect.arrayContaining(apart));
      },
    ),
    { numRuns: 150 },
  );
});

test('an index too large for memory is rebuilt the same, and just as many rows are dirty', async () => {
  await fc.assert(
    fc.asyncProperty(
      draws(4, 40),
      fc.infiniteStream(fc.nat()),
      fc.nat(),
      async (steps, numbers, cut) => {
        const history = playRegions(steps);
        const applied = prefix(history, cut % (history.length + 1));
        const logs = streams(history, chooser(numbers));
        expect(await rebuilt(logs, applied, 1)).toEqual(await rebuilt(logs, applied, 1000));
      },
    ),
    { numRuns: 150 },
  );
});
