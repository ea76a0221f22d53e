import { formatVector, sequenceOf } from '#core/version-vector.ts';
import { judge } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import type { Truth } from '#sim/check/truth.ts';
import { walk } from '#sim/check/walk.ts';

/**
 * A1. The strong in strong eventual consistency: two regions that hold the same transactions hold the
 * same rows, at any time, not only in the end. Looked at when a region has no own commit that its
 * vector does not name yet.
 */
export function strongConvergence(truth: Truth): Verdict {
  const states = new Map<string, { readonly hash: number; readonly where: string }>();
  const witnesses: Witness[] = [];
  let compared = 0;
  walk(truth, ({ region, commit, vector, own, replay }) => {
    if (commit.vector === null || !own.whole) return;
    if (own.replica !== null && sequenceOf(vector, own.replica) !== own.last) return;
    compared += 1;
    const name = formatVector(vector);
    const known = states.get(name);
    if (known === undefined) states.set(name, { hash: replay.hash, where: region });
    else if (known.hash !== replay.hash) {
      witnesses.push({
        atUs: commit.atUs,
        signature: 'equal vectors, different rows',
        text: `${region} holds ${name} like ${known.where} did, but other rows`,
        about: [region, known.where],
      });
    }
  });
  return judge(compared, 'states', witnesses);
}
