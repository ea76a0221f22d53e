import type { ReplicaId } from '#core/region.ts';

/**
 * Per replica the highest sequence of a dense prefix: `eu.1 → 17` means eu.1's transactions 1 to 17.
 * Immutable by convention: a marker's vector is shared by every transaction that depends on it.
 */
export type VersionVector = ReadonlyMap<ReplicaId, number>;

export const EMPTY_VECTOR: VersionVector = new Map();

export function sequenceOf(vector: VersionVector, replica: ReplicaId): number {
  return vector.get(replica) ?? 0;
}

/** True when `vector` holds everything that `other` holds. */
export function covers(vector: VersionVector, other: VersionVector): boolean {
  for (const [replica, sequence] of other) {
    if (sequenceOf(vector, replica) < sequence) return false;
  }
  return true;
}

/** The least vector that covers both. */
export function joinVectors(left: VersionVector, right: VersionVector): VersionVector {
  const joined = new Map(left);
  for (const [replica, sequence] of right) {
    if (sequenceOf(joined, replica) < sequence) joined.set(replica, sequence);
  }
  return joined;
}

/** The greatest vector that both cover: what is known everywhere. */
export function meetVectors(vectors: readonly VersionVector[]): VersionVector {
  const [first, ...rest] = vectors;
  const met = new Map<ReplicaId, number>();
  if (first === undefined) return met;
  for (const [replica, sequence] of first) {
    const least = rest.reduce((low, other) => Math.min(low, sequenceOf(other, replica)), sequence);
    if (least > 0) met.set(replica, least);
  }
  return met;
}

export function withSequence(
  vector: VersionVector,
  replica: ReplicaId,
  sequence: number,
): VersionVector {
  return new Map(vector).set(replica, sequence);
}

/** Canonical text: replicas in code-unit order, so that equal vectors are equal bytes. */
export function formatVector(vector: VersionVector): string {
  const parts = [...vector.keys()].toSorted(byCodeUnit).map((r) => `${r}:${sequenceOf(vector, r)}`);
  return parts.join(',');
}

export function parseVector(text: string): VersionVector {
  const vector = new Map<ReplicaId, number>();
  if (text === '') return vector;
  for (const part of text.split(',')) {
    const at = part.lastIndexOf(':');
    vector.set(part.slice(0, at) as ReplicaId, Number(part.slice(at + 1)));
  }
  return vector;
}

/** The order of every winner decision over names; `localeCompare` depends on the machine. */
export function byCodeUnit(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
