import type { Lsn } from '#core/lsn.ts';
import { epochOf, regionOf } from '#core/region.ts';
import type { ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, byCodeUnit, joinVectors, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';

/**
 * What a client has seen and written: wherever it goes, it must find at least this. It is also the
 * cursor of a subscription; then it holds sequences only.
 */
export interface CausalToken {
  /** Everything up to these transactions. */
  readonly seen: VersionVector;
  /**
   * Everything that committed in the WAL of a replica up to here. A commit knows its place in the WAL at
   * once, its sequence only when capture has met it: an answer need not wait for that.
   */
  readonly written: ReadonlyMap<ReplicaId, Lsn>;
}

export const EMPTY_TOKEN: CausalToken = { seen: EMPTY_VECTOR, written: new Map() };

/** Sixteen regions with long names and some epochs fit; nothing longer is looked at. */
export const TOKEN_CHARS_MAX = 2048;

const VERSION = '1';
const SEPARATOR = '~';
const PART =
  /^([a-z][a-z0-9-]{0,30}\.[1-9]\d{0,8})(?::([1-9]\d{0,15}))?(?:@([1-9a-f][0-9a-f]{0,13}))?$/;

export function tokenOf(seen: VersionVector): CausalToken {
  return { seen, written: EMPTY_TOKEN.written };
}

/** The least token that covers both. */
export function joinTokens(left: CausalToken, right: CausalToken): CausalToken {
  const written = new Map(left.written);
  for (const [replica, lsn] of right.written) {
    if ((written.get(replica) ?? 0) < lsn) written.set(replica, lsn);
  }
  return { seen: joinVectors(left.seen, right.seen), written };
}

/** `1~eu.1:17@16b374d848~us.1:4`: one text per token, safe in a header, a URL and an event's id. */
export function encodeToken({ seen, written }: CausalToken): string {
  const replicas = [...new Set([...seen.keys(), ...written.keys()])].toSorted(byCodeUnit);
  const parts = replicas.map((replica) => {
    const sequence = sequenceOf(seen, replica);
    const lsn = written.get(replica) ?? 0;
    const at = lsn === 0 ? '' : `@${lsn.toString(16)}`;
    return sequence === 0 && lsn === 0
      ? ''
      : `${replica}${sequence === 0 ? '' : `:${sequence}`}${at}`;
  });
  return [VERSION, ...parts.filter((part) => part !== '')].join(SEPARATOR);
}

export type DecodedToken =
  | { readonly kind: 'token'; readonly token: CausalToken }
  | { readonly kind: 'refused'; readonly why: string };

/** Only what `encodeToken` wrote, for regions of this cluster. */
export function decodeToken(text: string, regions: readonly string[]): DecodedToken {
  if (text.length > TOKEN_CHARS_MAX)
    return refused(`it is longer than ${TOKEN_CHARS_MAX} characters`);
  const [version, ...parts] = text.split(SEPARATOR);
  if (version !== VERSION) return refused(`it does not begin with "${VERSION}${SEPARATOR}"`);
  const seen = new Map<ReplicaId, number>();
  const written = new Map<ReplicaId, Lsn>();
  for (const [at, part] of parts.entries()) {
    const match = PART.exec(part);
    if (match === null)
      return refused(`its part ${at + 1} is not of the form region.epoch:sequence@lsn`);
    const [, name = '', sequence, lsn] = match;
    const replica = name as ReplicaId;
    if (!regions.includes(regionOf(replica))) {
      return refused(`"${regionOf(replica)}" is no region here; there are ${regions.join(', ')}`);
    }
    if (sequence !== undefined) seen.set(replica, Number(sequence));
    if (lsn !== undefined) written.set(replica, Number.parseInt(lsn, 16) as Lsn);
    if (
      !isWhole(seen.get(replica) ?? 0) ||
      !isWhole(written.get(replica) ?? 0) ||
      epochOf(replica) < 1
    ) {
      return refused(`its part ${at + 1} holds a position that cannot be`);
    }
  }
  const token = { seen, written };
  // Doubled, empty and unordered parts: one token is one text.
  return encodeToken(token) === text
    ? { kind: 'token', token }
    : refused('it is not in canonical form');
}

function isWhole(position: number): boolean {
  return Number.isSafeInteger(position);
}

function refused(why: string): DecodedToken {
  return { kind: 'refused', why };
}
