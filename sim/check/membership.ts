import type { RegionId } from '#core/region.ts';
import { formatVector } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { finalVectors } from '#sim/check/acknowledged.ts';
import { judge, unknown } from '#sim/check/property.ts';
import type { Verdict, Witness } from '#sim/check/property.ts';
import type { Truth } from '#sim/check/truth.ts';

/** A26. Of a region that is gone for ever, every survivor keeps the same prefix. */
export function samePrefixKept(truth: Truth): Verdict {
  const { lostRegions, endUs } = truth.frame;
  if (lostRegions.length === 0) return unknown('no region was lost for ever, none joined');
  const finals = finalVectors(truth);
  const witnesses: Witness[] = [];
  for (const lost of lostRegions) {
    const kept = truth
      .surviving()
      .map((region) => [region, prefixOf(finals.get(region), lost)] as const);
    if (new Set(kept.map(([, prefix]) => prefix)).size <= 1) continue;
    witnesses.push({
      atUs: endUs,
      signature: 'survivors keep different prefixes of a lost region',
      text: kept.map(([region, prefix]) => `${region} holds ${prefix || 'nothing'}`).join(', '),
      about: kept.map(([region]) => region),
    });
  }
  return judge(lostRegions.length, 'lost regions', witnesses);
}

function prefixOf(vector: VersionVector | undefined, lost: RegionId): string {
  const own = [...(vector ?? [])].filter(([replica]) => replica.startsWith(`${lost}.`));
  return formatVector(new Map(own));
}
