import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitrate, claimOn } from '#conflict/unique-claim.ts';
import type { UniqueClaim } from '#conflict/unique-claim.ts';
import { IGNORE_CONFLICTS } from '#conflict/conflict-sink.ts';
import { KeyState } from '#conflict/key-state.ts';
import type { ReplicaId } from '#core/region.ts';
import type { RowKey } from '#core/row-key.ts';
import { compareStamps, concurrent } from '#core/transaction.ts';
import type { TransactionHeader } from '#core/transaction.ts';
import { headerOf, REPLICAS } from '#tests/conflict/region-histories.ts';

const RELATION = {
  schema: 'public',
  name: 'account',
  columns: ['id', 'email', 'note'].map((name) => ({ name, typeOid: 25 })),
  keyColumns: [0],
};

/** A writer that had seen some of what the others wrote. */
const writer = fc
  .record({
    replica: fc.constantFrom(...REPLICAS),
    sequence: fc.integer({ min: 1, max: 4 }),
    hlc: fc.integer({ min: 1, max: 6 }),
    seen: fc.array(fc.integer({ min: 0, max: 4 }), {
      minLength: REPLICAS.length,
      maxLength: REPLICAS.length,
    }),
  })
  .map(({ replica, sequence, hlc, seen }) => {
    const vector = new Map(
      REPLICAS.flatMap((name, at) => (name === replica ? [] : [[name, seen[at] ?? 0] as const])),
    );
    return headerOf(replica, sequence, hlc, vector);
  });

const claim = fc.record({
  by: fc.option(writer, { nil: null }),
  living: fc.array(writer, { maxLength: 2 }),
}) satisfies fc.Arbitrary<UniqueClaim>;

test('who keeps a value does not depend on which row was there first', () => {
  const mirrored = { left: 'right', right: 'left', unrelated: 'unrelated' } as const;
  fc.assert(
    fc.property(claim, claim, (one, other) => {
      expect(arbitrate(other, one)).toBe(mirrored[arbitrate(one, other)]);
    }),
  );
});

test('of concurrent claims the one with the smaller stamp keeps the value', () => {
  fc.assert(
    fc.property(writer, writer, (one, other) => {
      const [left, right] = [one, other].map((by): UniqueClaim => ({ by, living: [] })) as [
        UniqueClaim,
        UniqueClaim,
      ];
      const keeps = arbitrate(left, right);
      if (!concurrent(one, other)) expect(keeps).toBe('unrelated');
      else expect(keeps).toBe(compareStamps(one, other) < 0 ? 'left' : 'right');
    }),
  );
});

test('among any number of concurrent claims one keeps the value against all others', () => {
  // Each by a region of its own that has seen nothing of the others.
  const alone = fc.uniqueArray(fc.integer({ min: 1, max: 50 }), {
    minLength: REPLICAS.length,
    maxLength: REPLICAS.length,
  });
  fc.assert(
    fc.property(alone, (stamps) => {
      const claims = REPLICAS.map((replica, at): UniqueClaim => {
        return { by: headerOf(replica, 1, stamps[at] ?? 0, new Map()), living: [] };
      });
      const keepers = claims.filter((one) =>
        claims.every((other) => other === one || arbitrate(one, other) === 'left'),
      );
      expect(keepers).toHaveLength(1);
    }),
  );
});

const [ONE, OTHER] = REPLICAS.map((replica) => replica) as [ReplicaId, ReplicaId];

function header(
  replica: ReplicaId,
  hlc: number,
  seen: ReadonlyMap<ReplicaId, number> = new Map(),
): TransactionHeader {
  return headerOf(replica, 1, hlc, seen);
}

function folded(...ops: readonly [TransactionHeader, Parameters<KeyState['fold']>[1]][]): KeyState {
  return ops.reduce((state, [by, op]) => state.fold(by, op, IGNORE_CONFLICTS), KeyState.EMPTY);
}

const key = '1' as RowKey;
const insert = { kind: 'insert', relation: RELATION, key, values: ['1', 'a@x', null] } as const;
const note = { kind: 'update', relation: RELATION, key, columns: [2], cells: ['n'] } as const;
const email = { kind: 'update', relation: RELATION, key, columns: [1], cells: ['b@x'] } as const;

test('a claim is as old as the write that set the value, not as the last write to the row', () => {
  const first = header(ONE, 10);
  const later = header(OTHER, 20, new Map([[ONE, 1]]));
  expect(claimOn(folded([first, insert]), ['email']).by).toBe(first);
  expect(claimOn(folded([first, insert], [later, note]), ['email']).by).toBe(first);
  expect(claimOn(folded([first, insert], [later, email]), ['email']).by).toBe(later);
  expect(claimOn(folded([later, note]), ['email'])).toMatchObject({ by: null, living: [later] });
});

test('a stable value that an unseen update kept alive is older than every new claim', () => {
  const kept = claimOn(folded([header(OTHER, 30), note]), ['email']);
  const taken = claimOn(folded([header(ONE, 10), insert]), ['email']);
  expect(arbitrate(kept, taken)).toBe('left');
});
