import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '#core/assert.ts';
import type { ReplicaId } from '#core/region.ts';
import { covers, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { StabilityMatrix } from '#replicator/engine/index/stability.ts';
import { MEMBERS, REPLICAS } from '#tests/conflict/region-histories.ts';

interface Said {
  readonly from: number;
  readonly sequence: number;
  readonly vector: VersionVector;
}

interface Member {
  readonly applied: Map<ReplicaId, number>;
  readonly said: Said[];
}

const step = fc.record({ who: fc.nat(2), from: fc.nat(2), kind: fc.nat(3) });

/** Members commit, apply each other's commits in order, and announce what they have. */
function play(steps: readonly { who: number; from: number; kind: number }[]): readonly Member[] {
  const members = REPLICAS.map((): Member => ({ applied: new Map(), said: [] }));
  for (const { who, from, kind } of steps) {
    const me = must(members[who], 'member');
    const own = must(REPLICAS[who], 'replica');
    const peer = must(REPLICAS[from], 'replica');
    const bump = (replica: ReplicaId): unknown =>
      me.applied.set(replica, sequenceOf(me.applied, replica) + 1);
    const known = must(members[from], 'peer').applied;
    if (kind >= 2 && sequenceOf(me.applied, peer) < sequenceOf(known, peer)) bump(peer);
    if (kind === 0) bump(own);
    if (kind === 1) {
      const vector = new Map(me.applied);
      vector.delete(own);
      me.said.push({ from: who, sequence: sequenceOf(me.applied, own), vector });
    }
  }
  return members;
}

test('nothing is ever called stable that some member may still lack', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.infiniteStream(fc.nat(2)), (steps, whose) => {
      const members = play(steps);
      const matrix = new StabilityMatrix(MEMBERS);
      const heard = members.map(() => 0);
      for (let turns = 0; turns < 90; turns++) {
        const who = whose.next().value ?? 0;
        const said = members[who]?.said[heard[who] ?? 0];
        if (said === undefined) continue;
        heard[who] = (heard[who] ?? 0) + 1;
        const [region, replica] = [must(MEMBERS[who], 'r'), must(REPLICAS[who], 'r')];
        const before = matrix.stable();
        matrix.observe(region, replica, said.sequence, said.vector);
        expect(covers(matrix.stable(), before)).toBe(true);
        for (const member of members) expect(covers(member.applied, matrix.stable())).toBe(true);
      }
      if (members.some(({ said }, at) => said.length > 0 && heard[at] === 0)) {
        expect(matrix.stable().size).toBe(0);
      }
    }),
    { numRuns: 150 },
  );
});

test('what every member has said that it has is stable', () => {
  const [a, b] = REPLICAS as [ReplicaId, ReplicaId];
  const matrix = new StabilityMatrix(MEMBERS.slice(0, 2));
  matrix.observe(must(MEMBERS[0], 'a'), a, 5, new Map([[b, 3]]));
  expect(matrix.stable()).toEqual(new Map());
  matrix.observe(must(MEMBERS[1], 'b'), b, 4, new Map([[a, 2]]));
  expect(matrix.stable()).toEqual(
    new Map([
      [a, 2],
      [b, 3],
    ]),
  );
});

test('an older message does not take anything back, and a stranger says nothing', () => {
  const [a, b] = REPLICAS as [ReplicaId, ReplicaId];
  const region = must(MEMBERS[0], 'a');
  const matrix = new StabilityMatrix([region]);
  matrix.observe(region, a, 5, new Map([[b, 3]]));
  matrix.observe(region, a, 4, new Map([[b, 2]]));
  matrix.observe(must(MEMBERS[1], 'b'), b, 9, new Map([[a, 9]]));
  expect(matrix.stable()).toEqual(
    new Map([
      [a, 5],
      [b, 3],
    ]),
  );
});
