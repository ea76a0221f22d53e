import type { RegionId, ReplicaId } from '#core/region.ts';
import { EMPTY_VECTOR, parseVector, sequenceOf } from '#core/version-vector.ts';
import type { VersionVector } from '#core/version-vector.ts';
import { RegionReplay } from '#sim/check/region-replay.ts';
import { specOps } from '#sim/check/spec-ops.ts';
import type { Truth, TruthTransaction } from '#sim/check/truth.ts';
import type { CommitEvent } from '#sim/history/event.ts';

/** A region right after one of its commits. */
export interface Moment {
  readonly region: RegionId;
  readonly commit: CommitEvent;
  readonly before: VersionVector;
  readonly vector: VersionVector;
  /** The region's newest own transaction, and whether every own commit is accounted for by a dot. */
  readonly own: {
    readonly replica: ReplicaId | null;
    readonly last: number;
    readonly whole: boolean;
  };
  readonly replay: RegionReplay;
}

interface Walking {
  readonly region: RegionId;
  readonly replay: RegionReplay;
  vector: VersionVector;
  /** Own commits in WAL order; a rewind takes them off again. */
  readonly own: { readonly lsn: number; readonly transaction: TruthTransaction | null }[];
  readonly vectors: { readonly lsn: number; readonly vector: VersionVector }[];
}

/** Replays all regions in true time, and shows each moment after a commit. Returns the final states. */
export function walk(
  truth: Truth,
  visit: (moment: Moment) => void,
): ReadonlyMap<RegionId, Moment['replay']> {
  const regions = new Map<RegionId, Walking>();
  for (const region of truth.frame.regions) {
    const replay = new RegionReplay(truth.tables);
    regions.set(region, { region, replay, vector: EMPTY_VECTOR, own: [], vectors: [] });
  }
  for (const event of truth.events) {
    if (event.kind !== 'commit' && event.kind !== 'rewind') continue;
    const region = regions.get(event.region);
    if (region === undefined) continue;
    if (event.kind === 'rewind') rewind(region, event.fromLsn);
    else visit(step(truth, region, event));
  }
  return new Map([...regions].map(([name, { replay }]) => [name, replay]));
}

function step(truth: Truth, at: Walking, commit: CommitEvent): Moment {
  const before = at.vector;
  at.replay.apply(commit);
  if (commit.vector !== null) {
    at.vector = parseVector(commit.vector);
    at.vectors.push({ lsn: commit.lsn, vector: at.vector });
  } else if (commit.by === 'user' && specOps(commit.changes, truth.tables).length > 0) {
    const dot = truth.dotOf(commit);
    const transaction = dot === undefined ? undefined : truth.transactions.get(dot);
    at.own.push({ lsn: commit.lsn, transaction: transaction ?? null });
  }
  const last = at.own.findLast(({ transaction }) => transaction !== null)?.transaction ?? null;
  const own = {
    replica: last?.header.replica ?? null,
    last: last?.header.sequence ?? 0,
    whole: at.own.at(-1)?.transaction !== null,
  };
  return { region: at.region, commit, before, vector: at.vector, own, replay: at.replay };
}

function rewind(at: Walking, lsn: number): void {
  at.replay.rewind(lsn);
  while ((at.own.at(-1)?.lsn ?? -1) >= lsn) at.own.pop();
  while ((at.vectors.at(-1)?.lsn ?? -1) >= lsn) at.vectors.pop();
  at.vector = at.vectors.at(-1)?.vector ?? EMPTY_VECTOR;
}

/** Everything that the region's rows should reflect at this moment: applied, and its own commits. */
export function visibleAt({ vector, own }: Moment): VersionVector {
  if (own.replica === null || sequenceOf(vector, own.replica) >= own.last) return vector;
  return new Map(vector).set(own.replica, own.last);
}

/** Dots that this commit made part of the applied vector. */
export function newDots({ before, vector }: Moment): readonly string[] {
  const found: string[] = [];
  for (const [replica, sequence] of vector) {
    for (let next = sequenceOf(before, replica) + 1; next <= sequence; next += 1)
      found.push(`${replica}:${next}`);
  }
  return found;
}
